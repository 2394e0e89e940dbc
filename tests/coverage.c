/*
 * coverage: `make coverage` links this function (`ld --wrap`) in place of the one that would keep a
 * process from writing its counts: _exit() ends it at once.
 */
void __gcov_dump(void);
_Noreturn void __real__exit(int code);
_Noreturn void __wrap__exit(int code);

void __wrap__exit(int code)
{
    __gcov_dump();
    __real__exit(code);
}
