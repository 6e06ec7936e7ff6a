package record

// Unexported names that the tests use.
const BufferSize = bufferSize
