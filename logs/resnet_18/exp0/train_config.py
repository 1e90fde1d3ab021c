# The configuration of a run: python train.py --config with this file starts it again.

# Run
config_path = ''  # another config file to read instead of this one
log_root = './logs'  # runs go to log_root/<prefix>_<suffix>/<exp_name>N
exp_name = 'exp'  # N counts up and is never reused; _N behind a digit
only_val = False  # evaluate load_from on val, write tables and plots, do not train
split = 'val'  # 'val', 'test', 'train': the folder of pictures that only_val evaluates on
calibrate = True  # fit best.pth a temperature on val, for predict's probabilities
keep_features = True  # store in best.pth what predict's reject goes by
tta = 'none'  # 'none', 'flip', 'crops5': views of an image that only_val averages
seed = 0  # with it a run repeats, whatever the number of workers
loggers = []  # 'tensorboard', 'wandb', 'swanlab', 'mlflow', 'clearml': trackers of each epoch's figures, see docs/trackers.md
project = 'image-classification'  # of a tracker, which the run belongs to
run_name = ''  # of the run in trackers; '' is <prefix>_<suffix>/<exp_name>N

# Network
model_prefix = 'resnet'  # family of the network
model_suffix = '18'  # its variant
load_from = ''  # weights to start from, or the checkpoint to resume; a run's folder: its best.pth
pretrained = False  # True starts from the public weights in docs/networks.md, or a name in there
weights_dir = ''  # folder of public weights; '' is torch hub's cache, which TORCH_HOME moves
weights_mirror = ''  # host in place of the one that public weights come from: https://...
resume = False  # continue the run that wrote load_from, in its own folder
use_ema = True  # 'auto' or such as True: average the weights over time; evaluated and reported beside the raw ones
ema_decay = 0.96377  # 'auto' or such as 0.9998: share of the average that an update keeps, after a warm-up
ema_steps = 1  # optimizer steps between two updates of the average

# Data
num_classes = 'auto'  # must agree with the folders of train
img_path = './data/digits'  # folder with train/<class>/* and val/<class>/*
on_bad_image = 'error'  # 'error', 'skip': what to do about an unreadable file; skip names it
max_image_pixels = 178956970  # pixels, height x width, that an image may have; larger ones are refused as decompression bombs
cache = 'none'  # 'none', 'ram': whether decoded images are kept in memory; they must fit
list_cache = 'auto'  # 'auto', 'none': auto remembers which files large folders hold, until one of them changes
mean = [0.5, 0.5, 0.5]  # 'auto' or such as [0.5, 0.5, 0.5]: of images in 0..1; ImageNet weights want [0.485, 0.456, 0.406]
std = [0.5, 0.5, 0.5]  # 'auto' or such as [0.5, 0.5, 0.5]: ImageNet weights want [0.229, 0.224, 0.225]
img_size = [32, 32]  # 'auto' or such as [224, 224]: height and width that the network sees
val_resize = [32, 32]  # 'auto' or such as [256, 256]: val is resized to this, then centre-cropped to img_size
resize_mode = 'squash'  # 'auto', 'squash', 'shortest', 'letterbox': to val_resize whatever the shape; until it covers val_resize; or whole into img_size, between bars
interpolation = 'bilinear'  # 'auto', 'nearest', 'bilinear', 'bicubic': between pixels, of that; antialiased
pad_value = 128  # grey of the bars of letterbox
num_workers = 'auto'  # loading processes per training process; 0 works everywhere
batch_size = 64  # 'auto' or such as 128: images per batch and process
persistent_workers = True  # keep the workers between epochs
pin_memory = True  # page-locked batches for faster copies; CUDA only

# Augmentation
augment = 'simple'  # 'auto', 'simple', 'ra', 'tawide', 'imagenet', 'cifar10', 'svhn', 'augmix', '3augment': policy after crop and flip: none, RandAugment, TrivialAugmentWide, AutoAugment of that set, AugMix, 3-Augment
horizontal_flip = 0.0  # 'auto' or such as 0.5: chance that an image is mirrored
vertical_flip = 0.0  # chance that an image is turned upside down
crop_scale = [0.5, 1.0]  # 'auto' or such as [0.25, 1.0]: least and greatest share of the area in a crop
crop_ratio = [0.75, 1.3333333333333333]  # least and greatest width of a crop, in heights
rotate = 0.0  # degrees that an image is turned by at most, either way
fill = 'mean'  # 'black', 'mean': of what comes into a turned or shifted picture: the colour `mean`
color_jitter = 0.0  # greatest change of brightness, contrast and saturation, as a share
grayscale_prob = 0.0  # chance that an image loses its colours
blur_prob = 0.0  # chance that an image is blurred
random_erase_prob = 0.0  # 'auto' or such as 0.25: chance that a rectangle of an image is blanked
mixup_prob = 0.0  # 'auto' or such as 0.5: chance that a batch is blended with itself
cutmix_prob = 0.0  # 'auto' or such as 0.5: chance that a batch swaps boxes; both > 0: one of them is drawn
mix_off_epochs = 0  # 'auto' or such as 5: the last epochs train without mixing

# Fine-tuning
freeze = ''  # what is never trained: '', 'body' (all but the head), 'stages:N' or a regular expression of names
head_init = 'default'  # 'auto', 'default', 'probe': how a head begins that loaded weights do not bring: at random, or fitted to what their body makes of train
freeze_epochs = 0  # 'auto' or such as 1: the first epochs train the head alone
freeze_bn = False  # 'auto' or such as True: BatchNorm goes by the averages that weights bring, which stay as they are
layer_decay = 1.0  # 'auto' or such as 0.9: learning rate of a stage, as a share of the stage behind it
head_lr_mult = 1.0  # 'auto' or such as 10.0: learning rate of the head, in multiples of init_lr
drop_path = 0.0  # 'auto' or such as 0.1: chance that a residual branch is left out in training
dropout = 0.0  # 'auto' or such as 0.2: chance that a value before the head is left out in training

# Optimisation
epochs = 12  # 'auto' or such as 100: passes over train
monitor = 'accuracy'  # 'accuracy', 'macro_f1', 'balanced_accuracy', 'val_loss', 'macro_auc': the figure of val by which the best epoch is chosen
patience = 0  # epochs without progress of it that end the run; 0: none do
min_delta = 0.0  # progress is more than this
start_from_epoch = 0  # so many first epochs do not count for patience
max_minutes = 0  # minutes until the run ends, if epochs is auto; 0 is no limit
optimizer_type = 'adamw'  # 'auto', 'sgd', 'adam', 'adamw', 'rmsprop': how gradients move weights
init_lr = 0.0014  # 'auto' or such as 0.001: learning rate after the warm-up
momentum = 0.9  # of sgd and rmsprop
nesterov = False  # Nesterov's momentum, sgd only
weight_decay = 0.05  # 'auto' or such as 0.0001: on weight matrices and kernels; biases and norms are left alone
betas = [0.9, 0.999]  # of adam and adamw
eps = 1e-06  # of adam, adamw and rmsprop
accumulate_steps = 1  # batches per optimizer step
clip_grad = 1.0  # 'auto' or such as 1.0: norm to clip gradients at; True means 1
loss_type = 'CELoss'  # 'CELoss', 'LabelSmoothCELoss': the second smooths labels by 0.1
smoothing = 0.1  # 'auto' or such as 0.1: label smoothing

# Learning rate
scheduler_type = 'cosine_lr'  # 'cosine_lr', 'step_lr', 'exponential_lr': cosine down to min_lr, x lr_gamma at each of steps + warmup_epochs, or x lr_gamma an epoch
min_lr = 0.0  # 'auto' or such as 1e-07: floor of the cosine
lr_gamma = 'auto'  # auto: 0.1 for step_lr, 0.9 for exponential_lr
steps = [3, 6, 9]  # 'auto' or such as [30, 60, 90]: epochs after the warm-up at which step_lr falls
warmup_epochs = 1.2  # 'auto' or such as 5: counted within epochs, in parts of one too; 0 means none
warmup_type = 'linear'  # 'linear', 'constant': rise from 0.05 x init_lr, or hold 1/3 of it

# Machine
device = 'auto'  # 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps'
num_threads = 'auto'  # threads that a CPU computes with; auto: its cores, by affinity and quota
use_benchmark = True  # let cuDNN time its algorithms
use_apex = True  # mixed precision; on a CPU only if amp_dtype names bfloat16
amp_dtype = 'auto'  # 'auto', 'float16', 'bfloat16': auto is what suits the GPU
channels_last = True  # memory format that convolutions prefer
compile = False  # torch.compile; True is its mode 'default'
cuda_graphs = 'auto'  # 'auto', 'none': auto records steps as CUDA graphs where one process trains on one GPU
save_steps = 0  # also write last.pth every so many optimizer steps
keep = 'all'  # 'all', 'best': best deletes last.pth and previous.pth once the run has ended well
world_size = 'auto'  # processes; comes from the launcher
gpu_ids = 'auto'  # GPUs of the processes on this machine
dist_backend = 'auto'  # 'auto', 'nccl', 'gloo': auto is nccl on CUDA, gloo elsewhere
dist_url = 'env://'  # where the processes meet
sync_bn = False  # BatchNorm statistics over all processes
