#!/bin/sh
# Downloads a model into a folder of its own and says what to put into .env. Run again, it goes on where it stopped.
# 下载模型到单独的文件夹，并提示 .env 里该写什么。再次运行会从中断处继续。
#
#   ./download_model.sh [MODEL] [FOLDER]
#   HF_ENDPOINT=https://hf-mirror.com ./download_model.sh        (a mirror / 使用镜像)
set -u

MODEL=${1:-Qwen/Qwen2.5-VL-7B-Instruct}
FOLDER=${2:-$HOME/models/${MODEL##*/}}
HERE=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
export HF_HUB_DISABLE_UPDATE_CHECK=1 HF_HUB_DISABLE_TELEMETRY=1

say() { printf '%s\n' "$@"; }
fail() { printf '%s\n' "$@" >&2; exit 1; }

case $MODEL in
-h | --help)
    sed -n '2,6s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
-* | *" "* | /* | "")
    fail "“$MODEL” 不是模型名，应当是 所有者/名称，例如 Qwen/Qwen2.5-VL-7B-Instruct。" \
        "“$MODEL” is no model's name; write OWNER/NAME, for example Qwen/Qwen2.5-VL-7B-Instruct."
    ;;
esac

if [ -x "$HERE/.venv/bin/hf" ]; then
    hub() { "$HERE/.venv/bin/hf" "$@"; }
elif command -v hf >/dev/null 2>&1; then
    hub() { hf "$@"; }
elif python3 -c 'import huggingface_hub.cli.hf' >/dev/null 2>&1; then
    hub() { python3 -m huggingface_hub.cli.hf "$@"; }
else
    fail "找不到下载工具 hf。请先用 README.md 的第一条命令安装 FrameLens，再运行本脚本。" \
        "The download tool hf was not found. Install FrameLens with the first command of README.md, then run this again."
fi

say "正在下载 $MODEL 到 $FOLDER（来源：${HF_ENDPOINT:-https://huggingface.co}）" \
    "Downloading $MODEL to $FOLDER (from ${HF_ENDPOINT:-https://huggingface.co})"
mkdir -p -- "$FOLDER" || fail "无法创建文件夹 $FOLDER，请换一个：./download_model.sh $MODEL 文件夹" \
    "The folder $FOLDER cannot be made. Choose another: ./download_model.sh $MODEL FOLDER"

if ! hub download "$MODEL" --local-dir "$FOLDER" \
    --exclude 'original/*' --exclude 'onnx/*' --exclude 'openvino/*' --exclude '*.msgpack' --exclude '*.h5'; then
    fail "" "❌ $MODEL 没有下载完。已下载的部分都保留着，重新运行会继续。可能的原因：" \
        "  网络不通：检查网络，或使用镜像 HF_ENDPOINT=https://hf-mirror.com ./download_model.sh $MODEL" \
        "  名字写错：应为 所有者/名称，区分大小写" \
        "  需要授权：在模型页面接受许可协议，再运行 hf auth login 或设置 HF_TOKEN" \
        "  磁盘已满：换一个文件夹 ./download_model.sh $MODEL 文件夹" \
        "❌ $MODEL was not downloaded completely. What has arrived is kept; run this again to go on. Possible causes:" \
        "  no network: check it, or use a mirror: HF_ENDPOINT=https://hf-mirror.com ./download_model.sh $MODEL" \
        "  a wrong name: it is OWNER/NAME, and capitals count" \
        "  no permission: accept the licence on the model's page, then hf auth login or set HF_TOKEN" \
        "  a full disk: choose another folder: ./download_model.sh $MODEL FOLDER"
fi

FOLDER=$(CDPATH='' cd -- "$FOLDER" && pwd)
[ -f "$FOLDER/config.json" ] || fail "❌ $FOLDER 里没有 config.json，$MODEL 不是可用的模型。" \
    "❌ $FOLDER has no config.json: $MODEL is no model that can be run."
say "" "✅ 下载完成。请把下面这一行写进 .env：" "✅ Done. Put this line into .env:" "" "VLLM_MODEL_PATH=$FOLDER"
