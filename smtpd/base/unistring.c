#include "unistring.h"

LIBRARY_NOTE_TEXT("[{\"soname\":[\"libunistring.so.5\",\"libunistring.so.2\"],"
                  "\"feature\":\"unicode\",\"description\":\"Passwords and addresses that are not "
                  "ASCII\",\"priority\":\"recommended\"}]");

int unistring_load(const struct library_symbol *symbols, size_t count)
{
    int result = library_load("libunistring.so.5", symbols, count);

    return result == 0 ? 0 : library_load("libunistring.so.2", symbols, count);
}
