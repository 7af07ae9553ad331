/** The files that somebody dropped or chose, with their paths below what was dropped. */

export interface NamedFile {
  path: string;
  file: File;
}

/** Returns the files of a drop, those in dropped folders included. */
export async function droppedFiles(transfer: DataTransfer): Promise<NamedFile[]> {
  // entries must be asked for before the first wait: the browser empties the list then
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry != null);
  if (!entries.length) return chosenFiles(transfer.files);
  return (await Promise.all(entries.map((entry) => filesBelow(entry)))).flat();
}

/** Returns the files of an input element. */
export function chosenFiles(files: FileList): NamedFile[] {
  return [...files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

async function filesBelow(entry: FileSystemEntry): Promise<NamedFile[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ path: entry.fullPath.replace(/^\//, ""), file }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: NamedFile[] = [];
  for (;;) {
    // a reader hands over a part of the folder at a time, and nothing at its end
    const part = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length) return found;
    found.push(...(await Promise.all(part.map(filesBelow))).flat());
  }
}
