/** Masks as TIFF keeps them in compression 4 (ITU-T T.6): each row by where it differs from the row above. */

/** Codes of runs, by their lengths: 0, 1, ... 63, then 64, 128, ... 1728. */
const WHITE =
  "00110101 000111 0111 1000 1011 1100 1110 1111 10011 10100 00111 01000 001000 000011 110100 110101 101010 101011 0100111 0001100 0001000 " +
  "0010111 0000011 0000100 0101000 0101011 0010011 0100100 0011000 00000010 00000011 00011010 00011011 00010010 00010011 00010100 00010101 " +
  "00010110 00010111 00101000 00101001 00101010 00101011 00101100 00101101 00000100 00000101 00001010 00001011 01010010 01010011 01010100 " +
  "01010101 00100100 00100101 01011000 01011001 01011010 01011011 01001010 01001011 00110010 00110011 00110100 11011 10010 010111 0110111 " +
  "00110110 00110111 01100100 01100101 01101000 01100111 011001100 011001101 011010010 011010011 011010100 011010101 011010110 011010111 " +
  "011011000 011011001 011011010 011011011 010011000 010011001 010011010 011000 010011011";
const BLACK =
  "0000110111 010 11 10 011 0011 0010 00011 000101 000100 0000100 0000101 0000111 00000100 00000111 000011000 0000010111 0000011000 0000001000 " +
  "00001100111 00001101000 00001101100 00000110111 00000101000 00000010111 00000011000 000011001010 000011001011 000011001100 000011001101 " +
  "000001101000 000001101001 000001101010 000001101011 000011010010 000011010011 000011010100 000011010101 000011010110 000011010111 " +
  "000001101100 000001101101 000011011010 000011011011 000001010100 000001010101 000001010110 000001010111 000001100100 000001100101 " +
  "000001010010 000001010011 000000100100 000000110111 000000111000 000000100111 000000101000 000001011000 000001011001 000000101011 " +
  "000000101100 000001011010 000001100110 000001100111 0000001111 000011001000 000011001001 000001011011 000000110011 000000110100 " +
  "000000110101 0000001101100 0000001101101 0000001001010 0000001001011 0000001001100 0000001001101 0000001110010 0000001110011 0000001110100 " +
  "0000001110101 0000001110110 0000001110111 0000001010010 0000001010011 0000001010100 0000001010101 0000001011010 0000001011011 0000001100100 " +
  "0000001100101";
/** The same of either colour: 1792, 1856, ... 2560. */
const LONG =
  "00000001000 00000001100 00000001101 000000010010 000000010011 000000010100 000000010101 000000010110 000000010111 000000011100 000000011101 " +
  "000000011110 000000011111";
/** Where a row changes: so far from where the row above does; or both next runs follow; or the row above has a change to pass over. */
const MODES = "1 011 000011 0000011 010 000010 0000010 001 0001";
const OFFSETS = [0, 1, 2, 3, -1, -2, -3];
const HORIZONTAL = 7;
const LONGEST = 13;

type Codes = Map<number, number>;

const RUNS = [codesOf(`${WHITE} ${LONG}`, lengthOf), codesOf(`${BLACK} ${LONG}`, lengthOf)] as const;
const MODE_CODES = codesOf(MODES, (index) => index);

/** Returns a mask's bits, row by row without gaps, in which black is 1, and how many are; each strip is coded on its own. */
export function decodeGroup4(strips: Uint8Array[], rowsOfStrip: number, width: number, height: number): { bits: Uint8Array; pixels: number } {
  const bits = new Uint8Array(Math.ceil((width * height) / 8));
  let reader = new Reader(strips[0]!);
  let above: number[] = [];
  let pixels = 0;
  for (let row = 0; row < height; row++) {
    if (row && row % rowsOfStrip === 0) [reader, above] = [new Reader(strips[row / rowsOfStrip]!), []];
    above = changes(reader, above, width);
    for (let index = 0; index < above.length; index += 2) {
      const [from, to] = [above[index]!, above[index + 1] ?? width];
      for (let bit = row * width + from; bit < row * width + to; bit++) bits[bit >> 3]! |= 0x80 >> (bit & 7);
      pixels += to - from;
    }
  }
  return { bits, pixels };
}

/** Reads where a row changes its colour; it begins white. */
function changes(reader: Reader, above: number[], width: number): number[] {
  const found: number[] = [];
  let at = -1; // before the first pixel
  let next = 0; // of the changes above
  while (at < width) {
    const isBlack = found.length & 1;
    while (next > 0 && above[next - 1]! > at) next--;
    while (next < above.length && (above[next]! <= at || (next & 1) !== isBlack)) next++;
    const mode = reader.read(MODE_CODES);
    if (mode < HORIZONTAL) found.push((at = (above[next] ?? width) + OFFSETS[mode]!));
    else if (mode > HORIZONTAL) at = above[next + 1] ?? width;
    else {
      at = Math.max(at, 0);
      for (const colour of [isBlack, 1 - isBlack]) found.push((at += reader.run(RUNS[colour]!)));
    }
  }
  return found.filter((place) => place < width);
}

class Reader {
  #at = 0;

  constructor(private readonly data: Uint8Array) {}

  read(codes: Codes): number {
    let code = 1; // so that the zeros in front count
    for (let length = 0; length < LONGEST; length++) {
      code = (code << 1) | ((this.data[this.#at >> 3]! >> (7 - (this.#at & 7))) & 1);
      this.#at++;
      const found = codes.get(code);
      if (found !== undefined) return found;
    }
    throw new Error("a mask of the answer cannot be read");
  }

  /** Reads the codes of one run: those of multiples of 64, then the rest. */
  run(codes: Codes): number {
    let length = 0;
    for (;;) {
      const part = this.read(codes);
      length += part;
      if (part < 64) return length;
    }
  }
}

function codesOf(text: string, valueOf: (index: number) => number): Codes {
  return new Map(text.split(" ").map((code, index) => [Number.parseInt(`1${code}`, 2), valueOf(index)]));
}

function lengthOf(index: number): number {
  return index < 64 ? index : 64 * (index - 63);
}
