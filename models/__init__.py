"""Hand-written image classifiers. `create_model("resnet", "18")` builds one, `list_models()` names all."""

from . import vgg
from . import resnet
from . import resnext
from . import regnetx
from . import regnety
from . import mobilenetv2
from . import mobilenetv3
from . import ghostnet
from . import efficientnetv1
from . import efficientnetv2
from . import shufflenetv2
from . import densenet
from . import xception
from . import vit
from . import resmlp
from . import vovnet
from . import seresnet
from . import squeezenet
from . import mnasnet
from . import swint
from . import convnext
from . import addernet
from .registry import create_model, family_of, list_models, native_img_size
from .stages import stages_of

__all__ = ["create_model", "family_of", "list_models", "native_img_size", "stages_of"]
