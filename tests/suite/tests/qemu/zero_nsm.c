/* A QEMU whose Nitro Secure Module gives zeros for random bytes. */
#include <string.h>

int gnutls_rnd(int level, void *data, size_t length)
{
    (void)level;
    memset(data, 0, length);
    return 0;
}
