cat >hello.c <<'END'
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
int twice(int x);
int main(int argc, char **argv)
{
    (void)argv;
    if (getenv("LD_LIBRARY_PATH") || getenv("LD_PRELOAD"))
        return 1;
    return printf("hello from C, %g\n", sqrt(twice(2 * argc))) < 0;
}
END
echo 'int twice(int x) { return 2 * x; }' >twice.c
cat >hello.cc <<'END'
#include <iostream>
#include <stdexcept>
#include <string>
int main()
{
    try {
        throw std::runtime_error("hello from C++");
    } catch (const std::exception &e) {
        std::cout << std::string(e.what()) << std::endl;
    }
}
END
clang --version
clang -Wall -O2 -g hello.c twice.c -o hello -lm
./hello | grep 'hello from C, 2'
clang++ -O2 hello.cc -o hellocc
./hellocc
