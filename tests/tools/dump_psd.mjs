// Dump PSD files with ag-psd, a reader that shares no code with ours:
//   node dump_psd.mjs OUT_DIR FILE.psd              prints the layer tree as JSON
//   node dump_psd.mjs --many OUT_DIR FILE.psd...    writes OUT_DIR/0/tree.json, OUT_DIR/1/tree.json, ...
// The folder gets NNN.rgba / NNN.mask (raw, straight alpha, row by row) and merged.rgba.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
const { readPsd, initializeCanvas } = createRequire(import.meta.url)('ag-psd');
initializeCanvas(() => { throw new Error('no canvas here'); }, (width, height) =>
  ({ width, height, data: new Uint8ClampedArray(width * height * 4) }));

const store = (image, folder, name) => {
  if (!image || !image.width || !image.height) return null;
  const bytes = Buffer.from(image.data.buffer, image.data.byteOffset, image.data.byteLength);
  fs.writeFileSync(path.join(folder, name), bytes);
  return { file: name, width: image.width, height: image.height };
};

const dump = (file, folder) => {
  const psd = readPsd(fs.readFileSync(file), { useImageData: true, useRawThumbnail: true });
  let counter = 0;
  const node = (layer) => {
    const number = String(counter++).padStart(3, '0');
    const { children, imageData, mask, hidden, ...rest } = layer;
    const out = { ...rest, visible: !hidden, pixels: store(imageData, folder, `${number}.rgba`) };
    if (mask) {
      const { imageData: maskImage, ...place } = mask;
      out.mask = { ...place, pixels: store(maskImage, folder, `${number}.mask`) };
    }
    if (children) out.children = children.map(node);
    return out;
  };
  const children = (psd.children || []).map(node);
  const { width, height, channels, bitsPerChannel, imageResources } = psd;
  const { thumbnailRaw, ...resources } = imageResources || {};
  if (thumbnailRaw) resources.thumbnailSize = [thumbnailRaw.width, thumbnailRaw.height];
  const merged = store(psd.imageData, folder, 'merged.rgba');
  return JSON.stringify(
    { width, height, channels, bitsPerChannel, imageResources: resources, merged, children });
};

const isMany = process.argv[2] === '--many';
const [outDir, ...files] = process.argv.slice(isMany ? 3 : 2);
if (!isMany) process.stdout.write(dump(files[0], outDir));
else files.forEach((file, index) => {
  const folder = path.join(outDir, String(index));
  fs.mkdirSync(folder, { recursive: true });
  try {
    fs.writeFileSync(path.join(folder, 'tree.json'), dump(file, folder));
  } catch (error) {
    process.stderr.write(`${file}: ${error.stack}\n`);
    process.exitCode = 1;
  }
});
