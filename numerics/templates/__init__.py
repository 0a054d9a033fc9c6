"""Loop templates: how printed scalar code is put into programs."""
