const CAPACITY_MIN = 256;
const TAG_BYTES_MAX = 5;
const VARINT_BYTES_MAX = 5;
const DOUBLE_BYTES = 8;
/** The length of a nested message is written behind it: as a varint of fixed width. */
const NESTED_LENGTH_BYTES = 4;
/** A text of so many UTF-16 units has a length of one byte, whatever it says. */
const SHORT_TEXT = Math.floor(0x7f / 3);
const ASCII_MAX = 0x7f;

/**
 * Writes protobuf into one buffer that is sized beforehand. Fields of their default value are left out.
 * Why not the generated encoders: they start small and copy at each growth, which on the way of every event
 * costs more than the encryption (docs/performance.md). A property test holds them to the same meaning.
 */
export class ProtoWriter {
  private bytes: Buffer;
  private at = 0;

  /** @param capacity bytes expected at most; it grows when that was wrong. */
  constructor(capacity: number) {
    this.bytes = Buffer.allocUnsafe(Math.max(CAPACITY_MIN, capacity));
  }

  /** What was written. The writer is used up. */
  finish(): Buffer {
    return this.bytes.subarray(0, this.at);
  }

  /** @param tag field number × 8 + 2. */
  text(tag: number, text: string): void {
    if (text !== '') this.item(tag, text);
  }

  /** An element of a repeated text: an empty one counts. */
  item(tag: number, text: string): void {
    this.reserve(TAG_BYTES_MAX + VARINT_BYTES_MAX + text.length * 3);
    this.varint(tag);
    if (text.length <= SHORT_TEXT) {
      const written = this.shortText(text, this.at + 1);
      this.bytes[this.at] = written;
      this.at += 1 + written;
      return;
    }
    this.varint(Buffer.byteLength(text));
    this.at += this.bytes.write(text, this.at);
  }

  /** @param tag field number × 8 + 2. */
  blob(tag: number, blob: Uint8Array): void {
    if (blob.length > 0) this.presentBlob(tag, blob);
  }

  /** A field that may be absent: an empty one counts. @param tag field number × 8 + 2. */
  presentBlob(tag: number, blob: Uint8Array): void {
    this.reserve(TAG_BYTES_MAX + VARINT_BYTES_MAX + blob.length);
    this.varint(tag);
    this.varint(blob.length);
    this.bytes.set(blob, this.at);
    this.at += blob.length;
  }

  /** @param tag field number × 8 + 1. */
  double(tag: number, value: number): void {
    if (value === 0) return;
    this.reserve(TAG_BYTES_MAX + DOUBLE_BYTES);
    this.varint(tag);
    this.at = this.bytes.writeDoubleLE(value, this.at);
  }

  /** @param tag field number × 8. @param value up to 2^53 − 1. */
  integer(tag: number, value: number): void {
    if (value !== 0) this.presentInteger(tag, value);
  }

  /** A field that may be absent: 0 counts. @param tag field number × 8. @param value up to 2^53 − 1. */
  presentInteger(tag: number, value: number): void {
    this.reserve(TAG_BYTES_MAX + 2 * VARINT_BYTES_MAX);
    this.varint(tag);
    this.varint(value);
  }

  /** Begins a nested message. @param tag field number × 8 + 2. @returns what `close` takes. */
  open(tag: number): number {
    this.reserve(TAG_BYTES_MAX + NESTED_LENGTH_BYTES);
    this.varint(tag);
    this.at += NESTED_LENGTH_BYTES;
    return this.at;
  }

  close(start: number): void {
    let length = this.at - start;
    for (let at = start - NESTED_LENGTH_BYTES; at < start - 1; at++) {
      this.bytes[at] = (length & 0x7f) | 0x80;
      length >>>= 7;
    }
    this.bytes[start - 1] = length;
  }

  /** ASCII by hand: for a few characters the call into the engine costs more than the copy. */
  private shortText(text: string, start: number): number {
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code > ASCII_MAX) return this.bytes.write(text, start);
      this.bytes[start + at] = code;
    }
    return text.length;
  }

  private varint(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      this.bytes[this.at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.bytes[this.at++] = rest;
  }

  private reserve(more: number): void {
    const needed = this.at + more;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(larger, 0, 0, this.at);
    this.bytes = larger;
  }
}
