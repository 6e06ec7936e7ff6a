cat >probes.d <<'END'
provider machine {
    probe reset(int);
};
END
cat >main.c <<'END'
#include "probes.h"
int main(void) { MACHINE_RESET(1); return 0; }
END
dtrace -h -s probes.d -o probes.h
grep -q MACHINE_RESET probes.h
[ "$HOST" != musl ] || exit 0 # where no compiler serves
eval "$(HOME=$KIST_HOME kist env debian-"$RELEASE"/usdt)"
dtrace -G -s probes.d -o probes.o
gcc -Wall main.c probes.o -o main
./main
