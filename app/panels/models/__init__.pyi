from . import cluster as cluster
from . import current_model as current_model
from . import memory_calculator as memory_calculator
from . import model_form as model_form
from . import remote_engine as remote_engine
from . import table as table
from . import vision_check as vision_check
