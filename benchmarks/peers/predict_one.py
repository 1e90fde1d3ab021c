"""The least script that classifies one image: python predict_one.py CHECKPOINT IMAGE."""

import sys

import timm
import torch
from PIL import Image
from torchvision import transforms

checkpoint = torch.load(sys.argv[1], map_location="cpu", weights_only=True)
classes = checkpoint["classes"]
model = timm.create_model("resnet18", num_classes=len(classes)).eval()
model.load_state_dict(checkpoint["net"])
steps = [transforms.Resize(32), transforms.CenterCrop(32), transforms.ToTensor(), transforms.Normalize([0.5], [0.5])]
image = transforms.Compose(steps)(Image.open(sys.argv[2]).convert("RGB"))
with torch.inference_mode():
    probabilities, places = model(image[None]).softmax(1)[0].topk(5)
for probability, place in zip(probabilities.tolist(), places.tolist()):
    print(f"{probability:8.2%}  {classes[place]}")
sys.stdout.flush()
