provider device {
    probe reset(int, unsigned);
};
