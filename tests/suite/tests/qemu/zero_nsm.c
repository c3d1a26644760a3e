/* A library that QEMU preloads, so that its Nitro Secure Module returns zeros as random bytes. */
#include <string.h>

int gnutls_rnd(int level, void *data, size_t length)
{
    (void)level;
    memset(data, 0, length);
    return 0;
}
