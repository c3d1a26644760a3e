/* A PKCS#11 module that forwards calls to the module at $SPY_MODULE, logs the calls, and injects faults.
 *
 * Each call of a watched function reads the rules in the file $SPY_CONTROL, if it exists. A rule is a line:
 *
 *     FUNCTION hold            waits until the rule is removed, then forwards the call
 *     FUNCTION sleep N         waits N milliseconds, then forwards the call
 *     FUNCTION return N        returns the CK_RV N, in decimal or 0x..., without forwarding
 *     FUNCTION return N K T    returns N for the next T calls; a rule with a greater K starts a new count
 *     C_OpenSession limit N    returns CKR_SESSION_COUNT while N sessions are open
 *     C_GenerateRandom hold N  holds only calls for N bytes
 *     C_GenerateRandom zeros   returns zeros as random bytes
 *     C_GenerateRandom same    returns the bytes 0, 48, 170, ... in each call, which are not constant and do not count
 *
 * The first rule that matches a call applies. A test replaces the whole file to change the rules. When a call
 * returns, one write appends a line to $SPY_LOG. The line contains FUNCTION, the CK_RV, and for
 * C_GenerateRandom the random bytes in hexadecimal.
 *
 * The watched functions are C_Initialize, C_Finalize, C_GetTokenInfo, C_OpenSession, C_CloseSession,
 * C_GetSessionInfo, C_Login and C_GenerateRandom. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long ulong;
typedef ulong (*function)(void);

/* Indices in CK_FUNCTION_LIST of PKCS#11 2.40. */
enum {
    INITIALIZE = 0,
    FINALIZE = 1,
    GET_FUNCTION_LIST = 3,
    GET_TOKEN_INFO = 6,
    OPEN_SESSION = 12,
    CLOSE_SESSION = 13,
    GET_SESSION_INFO = 15,
    LOGIN = 18,
    GENERATE_RANDOM = 64,
    FUNCTIONS = 68,
};

struct function_list {
    unsigned char version[2];
    function functions[FUNCTIONS];
};

enum { OK = 0, GENERAL_ERROR = 5, SESSION_COUNT = 0xb1 };

static struct function_list *real, spy;

/* A line of the control file. */
struct rule {
    char action[16];
    ulong number, count, times;
};

/* Finds the first rule for a call of `name` for `length` bytes. If no rule matches, the action is empty. */
static void find_rule(const char *name, ulong length, struct rule *rule)
{
    const char *path = getenv("SPY_CONTROL");
    FILE *file = path ? fopen(path, "re") : NULL;
    char line[256], subject[64];
    int found = 0;
    while (file && !found && fgets(line, sizeof line, file)) {
        char number[32] = "0";
        memset(rule, 0, sizeof *rule);
        int fields = sscanf(line, "%63s %15s %31s %lu %lu", subject, rule->action, number,
                            &rule->count, &rule->times);
        rule->number = strtoul(number, NULL, 0);
        int other_length = !strcmp(rule->action, "hold") && rule->number && rule->number != length;
        found = fields >= 2 && !strcmp(subject, name) && !other_length;
    }
    if (file)
        fclose(file);
    if (!found)
        memset(rule, 0, sizeof *rule);
}

static void sleep_ms(ulong ms)
{
    struct timespec time = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

/* Returns whether a rule with a limited number of times applies to this call, and counts the call. */
static int rule_applies(int place, const struct rule *rule)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct {
        ulong count, times;
    } applied[FUNCTIONS];
    pthread_mutex_lock(&lock);
    if (applied[place].count < rule->count) {
        applied[place].count = rule->count;
        applied[place].times = 0;
    }
    int due = applied[place].count == rule->count && applied[place].times < rule->times;
    applied[place].times += (ulong)due;
    pthread_mutex_unlock(&lock);
    return due;
}

/* The number of open sessions. */
static atomic_ulong sessions;

/* Applies the rule for a call. Returns whether the call returns `rv` without forwarding. */
static int intercept(int place, const char *name, ulong length, struct rule *rule, ulong *rv)
{
    find_rule(name, length, rule);
    if (!strcmp(rule->action, "sleep"))
        sleep_ms(rule->number);
    while (!strcmp(rule->action, "hold")) {
        sleep_ms(10);
        find_rule(name, length, rule);
    }
    if (!strcmp(rule->action, "limit")) {
        *rv = SESSION_COUNT;
        return atomic_load(&sessions) >= rule->number;
    }
    *rv = rule->number;
    return !strcmp(rule->action, "return") && (rule->count == 0 || rule_applies(place, rule));
}

static ulong log_call(const char *name, ulong rv, const unsigned char *bytes, ulong length)
{
    const char *path = getenv("SPY_LOG");
    int file = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    char *line = malloc(128 + 2 * length);
    if (file >= 0 && line) {
        int end = sprintf(line, "%s %lu ", name, rv);
        for (ulong i = 0; i < length; i++)
            end += sprintf(line + end, "%02x", bytes[i]);
        line[end++] = '\n';
        if (write(file, line, (size_t)end) != end)
            abort();
    }
    free(line);
    if (file >= 0)
        close(file);
    return rv;
}

static void count_sessions(int place, ulong rv)
{
    if (rv == OK && place == OPEN_SESSION)
        atomic_fetch_add(&sessions, 1);
    if (rv == OK && place == CLOSE_SESSION)
        atomic_fetch_sub(&sessions, 1);
}

/* Defines the wrapper of a function with these parameters and arguments. */
#define WATCHED(place, wrapper, name, parameters, arguments)                                        \
    static ulong wrapper parameters                                                                 \
    {                                                                                               \
        struct rule rule;                                                                           \
        ulong rv;                                                                                   \
        if (!intercept(place, name, 0, &rule, &rv)) {                                               \
            rv = ((ulong (*) parameters)real->functions[place])arguments;                           \
            count_sessions(place, rv);                                                              \
        }                                                                                           \
        return log_call(name, rv, NULL, 0);                                                         \
    }

WATCHED(INITIALIZE, initialize, "C_Initialize", (void *settings), (settings))
WATCHED(FINALIZE, finalize, "C_Finalize", (void *reserved), (reserved))
WATCHED(GET_TOKEN_INFO, get_token_info, "C_GetTokenInfo", (ulong slot, void *info), (slot, info))
WATCHED(OPEN_SESSION, open_session, "C_OpenSession",
        (ulong slot, ulong flags, void *application, void *notify, ulong *session),
        (slot, flags, application, notify, session))
WATCHED(CLOSE_SESSION, close_session, "C_CloseSession", (ulong session), (session))
WATCHED(GET_SESSION_INFO, get_session_info, "C_GetSessionInfo", (ulong session, void *info),
        (session, info))
WATCHED(LOGIN, login, "C_Login", (ulong session, ulong user, unsigned char *pin, ulong length),
        (session, user, pin, length))

static ulong generate_random(ulong session, unsigned char *bytes, ulong length)
{
    struct rule rule;
    ulong rv;
    if (intercept(GENERATE_RANDOM, "C_GenerateRandom", length, &rule, &rv))
        return log_call("C_GenerateRandom", rv, NULL, 0);
    rv = ((ulong (*)(ulong, unsigned char *, ulong))real->functions[GENERATE_RANDOM])(
        session, bytes, length);
    for (ulong i = 0; !strcmp(rule.action, "zeros") && i < length; i++)
        bytes[i] = 0;
    for (ulong i = 0; !strcmp(rule.action, "same") && i < length; i++)
        bytes[i] = (unsigned char)(i * (i * 37 + 11));
    return log_call("C_GenerateRandom", rv, bytes, rv == OK ? length : 0);
}

static ulong get_function_list(struct function_list **list);

static void load(void)
{
    const char *path = getenv("SPY_MODULE");
    void *module = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    ulong (*list)(struct function_list **) = NULL;
    if (module)
        *(void **)&list = dlsym(module, "C_GetFunctionList");
    if (!list || list(&real) != OK) {
        real = NULL;
        return;
    }
    spy = *real;
    spy.functions[GET_FUNCTION_LIST] = (function)get_function_list;
    spy.functions[INITIALIZE] = (function)initialize;
    spy.functions[FINALIZE] = (function)finalize;
    spy.functions[GET_TOKEN_INFO] = (function)get_token_info;
    spy.functions[OPEN_SESSION] = (function)open_session;
    spy.functions[CLOSE_SESSION] = (function)close_session;
    spy.functions[GET_SESSION_INFO] = (function)get_session_info;
    spy.functions[LOGIN] = (function)login;
    spy.functions[GENERATE_RANDOM] = (function)generate_random;
}

static ulong get_function_list(struct function_list **list)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    if (!real)
        return GENERAL_ERROR;
    *list = &spy;
    return OK;
}

ulong C_GetFunctionList(struct function_list **list)
{
    return get_function_list(list);
}
