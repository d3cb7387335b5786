"""The commands, a module each; those that make what is handed out share one."""
