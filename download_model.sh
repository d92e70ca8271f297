#!/bin/sh
# Downloads a model into a folder of its own and says what to put into .env. Run again, it continues where it stopped.
# 下载模型到单独的文件夹，并提示 .env 里该写什么。再次运行会从中断处继续。
#
#   ./download_model.sh [MODEL] [FOLDER] [--mirror | --hub modelscope]
#   HF_ENDPOINT=https://hf-mirror.com ./download_model.sh        (the same as --mirror / 与 --mirror 相同)
#   FRAMELENS_HUB=modelscope ./download_model.sh                 (from ModelScope / 从魔搭下载)
set -u

HERE=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
case ${1:-} in
-h | --help)
    sed -n '2,7s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

for program in "$HERE/.venv/bin/framelens" framelens; do
    if command -v "$program" >/dev/null 2>&1; then
        exec "$program" download "$@"
    fi
done
printf '%s\n' "找不到 framelens。请先用 README.md 的第一条命令安装 FrameLens，再运行本脚本；只想下载的话，也可以用" \
    "framelens was not found. Install FrameLens with the first command of README.md, then run this again. Or, for the model alone:" \
    "  pip install huggingface_hub && hf download ${1:-Qwen/Qwen2.5-VL-7B-Instruct} --local-dir ~/models/…" >&2
exit 1
