// Builds the page into the Python package, or into the folder that the first argument names.
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, "node_modules");
const out = process.argv[2] ?? join(here, "..", "gltf_render_server", "http", "page");
const draco = join(modules, "three", "examples", "jsm", "libs", "draco", "gltf");

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
await build({
  entryPoints: [join(here, "src", "main.ts")],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "none",
  charset: "utf8",
  absWorkingDir: here,
  outfile: join(out, "page.js"),
});
await build({ entryPoints: [join(here, "src", "page.css")], minify: true, charset: "utf8", outfile: join(out, "page.css") });
for (const name of ["index.html", "icon.svg"]) copyFileSync(join(here, "src", name), join(out, name));
for (const name of ["draco_decoder.wasm", "draco_wasm_wrapper.js"]) copyFileSync(join(draco, name), join(out, name));
writeFileSync(join(out, "NOTICE.txt"), notices());

/** The licences of everything that the build contains. */
function notices() {
  const named = ["three", "fflate", "@noble/hashes"].map((name) => {
    const { version, homepage, repository } = JSON.parse(readFileSync(join(modules, name, "package.json"), "utf8"));
    const licence = readdirSync(join(modules, name)).find((file) => /^licen[cs]e/i.test(file));
    const address = homepage ?? repository?.url ?? repository;
    return `${name} ${version}\n${address}\n\n${readFileSync(join(modules, name, licence), "utf8").trim()}\n`;
  });
  const others = [
    "Draco decoder (draco_decoder.wasm, draco_wasm_wrapper.js), as three ships it\nhttps://github.com/google/draco\n\n" +
      "Copyright The Draco Authors. Licensed under the Apache License, Version 2.0:\nhttps://www.apache.org/licenses/LICENSE-2.0\n",
    "meshoptimizer's decoder, as three ships it\nhttps://github.com/zeux/meshoptimizer\n\n" +
      readFileSync(join(modules, "meshoptimizer", "LICENSE.md"), "utf8").trim() + "\n",
  ];
  const rule = `\n${"-".repeat(78)}\n\n`;
  return ["The page that a browser shows contains these programs of others.\n", ...named, ...others].join(rule);
}
