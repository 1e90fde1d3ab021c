# What predict.py does: edit a value, save, run `python predict.py`.
#
# As shipped it takes the best checkpoint of the newest run and an image of the embedded digits.

# What to predict
load_from = ''  # checkpoint, or a run's folder; '' is best.pth of the newest run in ./logs
predict_img_path = './data/digits/val/3/0045.png'  # an image, a folder (nested ones too) or a glob; or a list of them
device = 'auto'  # 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps'
num_threads = 'auto'  # threads that a CPU computes with; auto: its cores, by affinity and quota
batch_size = 32  # images at a time
topk = 5  # classes to name for each image
output = ''  # csv or json file; '' writes beside the checkpoint
resume = False  # go on where a job with the same output was killed
embed = ''  # .npz file of what the network makes of each image before its head; '' writes none
sort_into = ''  # folder that gets the images, in a folder for each class; '' leaves them alone
sort_as = 'copy'  # 'copy', 'link': how sort_into gets them
tta = 'none'  # 'none', 'flip', 'crops5': views of an image whose probabilities are averaged: itself; mirrored; 5 crops
reject = 'none'  # 'none', 'confidence', 'knn': by what an image is said to be of no known class
min_confidence = 'auto'  # of reject = 'confidence'; auto keeps 95 % of val
max_image_pixels = 178956970  # pixels, height x width, that an image may have; larger ones are refused as decompression bombs

# Only for weights that are no checkpoint of ours
model_prefix = ''  # family of the network
model_suffix = ''  # its variant
class_indices_path = ''  # json file {'0': 'cat', ...}
num_classes = 'auto'  # auto: as many as class_indices_path names
mean = [0.485, 0.456, 0.406]  # of images in 0..1
std = [0.229, 0.224, 0.225]  # of images in 0..1
img_size = [224, 224]  # height and width that the network sees
val_resize = [256, 256]  # images are resized to this, then centre-cropped to img_size
resize_mode = 'squash'  # 'squash', 'shortest', 'letterbox': to val_resize whatever the shape; until it covers val_resize; or whole into img_size, between bars
interpolation = 'bilinear'  # 'nearest', 'bilinear', 'bicubic': between pixels, of that; antialiased
pad_value = 128  # grey of the bars of letterbox
