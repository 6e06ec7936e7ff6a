package rootfs

// Unexported names that the tests use.
var TempCheck = tempCheck
