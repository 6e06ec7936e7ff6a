cat >device.h <<'END'
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
struct device { uint32_t id; size_t size; };
int device_print(const struct device *device, FILE *to);
END
bindgen --version
bindgen --allowlist-type device --allowlist-function 'device_.*' -o one.rs device.h
grep -q 'pub struct device' one.rs
grep -q 'pub fn device_print' one.rs
bindgen --allowlist-type device -o two.rs device.h -- -Dunused=1 -Wall
grep -q 'pub struct device' two.rs
