cat >build.ninja <<'END'
rule check
  command = test -z "$$LD_LIBRARY_PATH$$LD_PRELOAD" && echo hello from ninja >$out
build hello: check
END
ninja --version
ninja
cat hello
