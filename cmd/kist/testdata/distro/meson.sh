cat >meson.build <<'END'
project('hello', 'c')
hello = executable('hello', 'hello.c')
test('hello', hello)
custom_target('captured', output: 'captured', capture: true, build_by_default: true, command: [hello])
custom_target('python', output: 'python', build_by_default: true,
  command: [import('python').find_installation(), '-c', 'import sys; open(sys.argv[1], "w").close()', '@OUTPUT@'])
END
cat >hello.c <<'END'
#include <stdlib.h>
int main(void) { return getenv("LD_LIBRARY_PATH") || getenv("LD_PRELOAD"); }
END
meson --version
[ "$HOST" != musl ] || exit 0 # where no compiler serves
meson setup build
meson compile -C build
meson test -C build
