# %% [markdown]
# # Residual networks

# %%
import torch
import torch.nn.functional as F
from torch import nn

from convcraft import examine, plots, try_it
from convcraft.data import digits, photo

plots.use_style()


# %% nbgrader={"grade_id": "shortcut", "solution": true}
def shortcut(in_channels, out_channels, stride):
    """What is added to a residual branch that turns in_channels into out_channels.

    (N, in_channels, H, W) becomes (N, out_channels, ⌈H/stride⌉, ⌈W/stride⌉).
    """
    ### BEGIN SOLUTION
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))
    ### END SOLUTION

# %% nbgrader={"grade_id": "shortcut_exam", "grade": true}
examine("shortcut", shortcut)


# %% nbgrader={"grade_id": "ResBlock", "solution": true}
class ResBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut: (N, in_channels, H, W) to (N, out_channels, ⌈H/stride⌉, ⌈W/stride⌉)."""

    expansion = 1

    def __init__(self, in_channels, out_channels, stride=1):
        ### BEGIN SOLUTION
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.downsample(x))
        ### END SOLUTION

# %% nbgrader={"grade_id": "ResBlock_exam", "grade": true}
examine("ResBlock", ResBlock)


# %% nbgrader={"grade_id": "Bottleneck", "solution": true}
class Bottleneck(nn.Module):
    """Narrow, look, widen, and a shortcut: (N, in_channels, H, W) to (N, 4 * channels, ⌈H/stride⌉, ⌈W/stride⌉)."""

    expansion = 4

    def __init__(self, in_channels, channels, stride=1):
        ### BEGIN SOLUTION
        super().__init__()
        out_channels = channels * self.expansion
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return F.relu(out + self.downsample(x))
        ### END SOLUTION

# %% nbgrader={"grade_id": "Bottleneck_exam", "grade": true}
examine("Bottleneck", Bottleneck)


# %% nbgrader={"grade_id": "make_stage", "solution": true}
def make_stage(block, in_channels, channels, blocks, stride):
    """An nn.Sequential of so many blocks; the first one carries the stride and the change of channels.

    (N, in_channels, H, W) becomes (N, channels * block.expansion, ⌈H/stride⌉, ⌈W/stride⌉).
    """
    ### BEGIN SOLUTION
    stage = [block(in_channels, channels, stride)]
    for _ in range(blocks - 1):
        stage.append(block(channels * block.expansion, channels, 1))
    return nn.Sequential(*stage)
    ### END SOLUTION

# %% nbgrader={"grade_id": "make_stage_exam", "grade": true}
examine("make_stage", make_stage)


# %% nbgrader={"grade_id": "ResNet", "solution": true}
class ResNet(nn.Module):
    """Stem, four stages of blocks, head: (N, in_channels, H, W) to (N, num_classes)."""

    def __init__(self, block, layers, num_classes=1000, in_channels=3):
        ### BEGIN SOLUTION
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        width = 64
        for number, blocks in enumerate(layers, 1):
            channels = 32 * 2**number
            stage = nn.Sequential()
            for index in range(blocks):
                stage.append(block(width, channels, 2 if number > 1 and index == 0 else 1))
                width = channels * block.expansion
            setattr(self, f"layer{number}", stage)
        self.fc = nn.Linear(width, num_classes)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))
        ### END SOLUTION

# %% nbgrader={"grade_id": "ResNet_exam", "grade": true}
examine("ResNet", ResNet)


# %% nbgrader={"grade_id": "zero_init_residual", "solution": true}
def zero_init_residual(net):
    """Set the weight of each block's last BatchNorm to 0, in place."""
    ### BEGIN SOLUTION
    for module in net.modules():
        if hasattr(module, "bn2"):
            last = module.bn3 if hasattr(module, "bn3") else module.bn2
            nn.init.zeros_(last.weight)
    ### END SOLUTION

# %% nbgrader={"grade_id": "zero_init_residual_exam", "grade": true}
examine("zero_init_residual", zero_init_residual)


# %% nbgrader={"grade_id": "gradient_norms", "solution": true}
def gradient_norms(net, x, y):
    """The L2 norm of the loss's gradient for each Conv2d's and Linear's weight, in the order of net.modules().

    x is (N, C, H, W), y is (N,); the loss is the mean cross-entropy.
    """
    ### BEGIN SOLUTION
    weights = [module.weight for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    loss = F.cross_entropy(net(x), y)
    return [gradient.norm().item() for gradient in torch.autograd.grad(loss, weights)]
    ### END SOLUTION

# %% nbgrader={"grade_id": "gradient_norms_exam", "grade": true}
examine("gradient_norms", gradient_norms)


# %% nbgrader={"grade_id": "train_epoch", "solution": true}
def train_epoch(net, loader, optimizer):
    """Train net for one pass over loader, which gives pairs x (N, C, H, W), y (N,); return the mean loss."""
    ### BEGIN SOLUTION
    net.train()
    total, count = 0.0, 0
    for x, y in loader:
        loss = F.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
        count += len(x)
    return total / count
    ### END SOLUTION

# %% nbgrader={"grade_id": "train_epoch_exam", "grade": true}
examine("train_epoch", train_epoch)


# %% nbgrader={"grade_id": "evaluate", "solution": true}
def evaluate(net, loader):
    """The share of pictures that net classifies rightly; loader gives pairs x (N, C, H, W), y (N,)."""
    ### BEGIN SOLUTION
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    right, count = 0, 0
    with torch.no_grad():
        for x, y in loader:
            right += (net(x).argmax(1) == y).sum().item()
            count += len(y)
    for module, mode in modes:
        module.training = mode
    return right / count
    ### END SOLUTION

# %% nbgrader={"grade_id": "evaluate_exam", "grade": true}
examine("evaluate", evaluate)
