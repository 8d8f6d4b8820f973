// Package repo holds the tests that keep the repository's own rules: the import table, the style
// that can be measured, and the configuration blocks of its pages. It has no code.
package repo
