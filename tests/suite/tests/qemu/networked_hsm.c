/* A PKCS#11 module like that of a networked HSM: C_Initialize exchanges greetings with the HSM over TCP, and
   fails if there is no reply. All other functions are those of the module NETWORKED_MODULE. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define CKR_OK 0UL
#define CKR_FUNCTION_FAILED 6UL
#define CKR_DEVICE_ERROR 0x30UL

/* CK_FUNCTION_LIST of PKCS#11 2.40. C_Initialize is the first of 68 functions. */
struct functions {
    unsigned char version[2];
    unsigned long (*initialize)(void *);
    void *others[67];
};

static struct functions module, functions;

static int handshake_succeeds(int hsm)
{
    const struct timeval timeout = {.tv_sec = 20};
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(2223), .sin_addr.s_addr = inet_addr("10.77.0.5")};
    char reply[8];

    return !setsockopt(hsm, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) &&
           !connect(hsm, (const struct sockaddr *)&address, sizeof address) &&
           write(hsm, "hello\n", 6) == 6 && recv(hsm, reply, 8, MSG_WAITALL) == 8 &&
           !memcmp(reply, "welcome\n", 8);
}

static unsigned long initialize(void *arguments)
{
    int hsm = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int succeeded = hsm >= 0 && handshake_succeeds(hsm);

    if (hsm >= 0)
        close(hsm);
    return succeeded ? module.initialize(arguments) : CKR_DEVICE_ERROR;
}

unsigned long C_GetFunctionList(struct functions **list)
{
    void *library = dlopen(NETWORKED_MODULE, RTLD_NOW | RTLD_LOCAL);
    unsigned long (*get)(struct functions **);
    struct functions *found;

    if (!library || !(get = (unsigned long (*)(struct functions **))dlsym(library, "C_GetFunctionList")))
        return CKR_FUNCTION_FAILED;
    if (get(&found) != CKR_OK)
        return CKR_FUNCTION_FAILED;
    module = functions = *found;
    functions.initialize = initialize;
    *list = &functions;
    return CKR_OK;
}
