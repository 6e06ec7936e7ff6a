package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// units are what a size may end in.
var units = []struct {
	name  string
	bytes float64
}{
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"B", 1},
}

// ParseSize parses a number of bytes with its unit, such as "2 GB", "1.5GiB" or "0 B".
func ParseSize(text string) (int64, error) {
	for _, u := range units {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := parseDecimal(strings.TrimSuffix(number, " "))
		if size := math.Round(n * u.bytes); err == nil && size < 1<<62 {
			return int64(size), nil
		}
		break
	}
	return 0, fmt.Errorf("%.40q is not a size, such as 500 MB or 2 GB", text)
}

// ParseAge parses a duration in weeks, days, hours, minutes or seconds, such as "30d" or
// "12h". It is at most ten years.
func ParseAge(text string) (time.Duration, error) {
	for unit, length := range map[string]time.Duration{"w": 7 * 24 * time.Hour, "d": 24 * time.Hour, "h": time.Hour, "m": time.Minute, "s": time.Second} {
		number, ok := strings.CutSuffix(text, unit)
		if !ok {
			continue
		}
		n, err := parseDecimal(number)
		if age := n * float64(length); err == nil && age <= float64(10*366*24*time.Hour) {
			return time.Duration(age), nil
		}
	}
	return 0, fmt.Errorf("%.40q is not a duration, such as 30d, 2w or 12h", text)
}

// parseDecimal parses digits with at most one point among them.
func parseDecimal(text string) (float64, error) {
	if len(text) > 15 || strings.Trim(text, "0123456789.") != "" {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseFloat(text, 64)
}
