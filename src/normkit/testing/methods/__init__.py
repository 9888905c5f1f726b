"""The problems of normkit's own methods: one method, one file, its formula from its paper."""
