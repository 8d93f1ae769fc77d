#!/bin/sh
# Stores the message on standard input in a folder: NAME.eml, and its recipients in NAME.to.
folder=$1
shift
name=$folder/$(date +%s%N).$$
umask 022
printf '%s\n' "$@" >"$name.to"
cat >"$name.part" && mv "$name.part" "$name.eml"
