"""Everything that `from derivations.model_files import ...` offers; read by type checkers and by `theory.lazy`."""

from derivations.model_files.errors import (
    ModelFileError as ModelFileError,
    ModelFileRaised as ModelFileRaised,
    ModelNotFound as ModelNotFound,
    NotWritable as NotWritable,
)
from derivations.model_files.finding import (
    SHIPPED as SHIPPED,
    find_model as find_model,
    load_model as load_model,
    outline as outline,
    shipped_models as shipped_models,
)
from derivations.model_files.model_file import ModelFile as ModelFile, Theory as Theory
from derivations.model_files.starter import starter as starter
from derivations.model_files.writing import write_model as write_model
