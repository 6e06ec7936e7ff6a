cat >CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.22)
project(hello C)
add_executable(hello hello.c)
add_custom_command(TARGET hello POST_BUILD COMMAND ${CMAKE_COMMAND} -E echo "called itself")
enable_testing()
add_test(NAME hello COMMAND hello)
END
cat >hello.c <<'END'
#include <stdlib.h>
int main(void) { return getenv("LD_LIBRARY_PATH") || getenv("LD_PRELOAD"); }
END
cmake --version
[ "$HOST" != musl ] || exit 0 # where no compiler serves
cmake -G Ninja -S . -B build
cmake --build build
touch CMakeLists.txt
cmake --build build
cd build
ctest --output-on-failure
