// A reader for the little of protobuf that the checker needs. Source: protobuf.dev, "Encoding", read 2026-11.
const [VARINT, FIXED64, BYTES, FIXED32] = [0, 1, 2, 5];

/** The fields of one message: number → values in order. Varints as bigint, doubles as number, the rest as bytes. */
export class ProtoFields {
  private readonly fields = new Map<number, (bigint | number | Buffer)[]>();

  /** @throws Error when the bytes are not one message. */
  constructor(bytes: Buffer) {
    let at = 0;
    const varint = (): bigint => {
      let [value, shift] = [0n, 0n];
      for (;;) {
        const byte = bytes[at++];
        if (byte === undefined || shift > 63n) throw new Error('truncated protobuf');
        value |= BigInt(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
        shift += 7n;
      }
    };
    while (at < bytes.length) {
      const tag = Number(varint());
      const wire = tag & 7;
      let value: bigint | number | Buffer;
      if (wire === VARINT) value = varint();
      else if (wire === FIXED64) {
        value = bytes.readDoubleLE(at);
        at += 8;
      } else if (wire === FIXED32) {
        value = bytes.readUInt32LE(at);
        at += 4;
      } else if (wire === BYTES) {
        const length = Number(varint());
        if (at + length > bytes.length) throw new Error('truncated protobuf');
        value = bytes.subarray(at, at + length);
        at += length;
      } else throw new Error(`protobuf wire type ${wire}`);
      const number = tag >>> 3;
      const values = this.fields.get(number);
      if (values === undefined) this.fields.set(number, [value]);
      else values.push(value);
    }
  }

  bytes(field: number): Buffer {
    const value = this.fields.get(field)?.at(-1);
    return Buffer.isBuffer(value) ? value : Buffer.alloc(0);
  }

  text(field: number): string {
    return this.bytes(field).toString('utf8');
  }

  texts(field: number): string[] {
    return (this.fields.get(field) ?? []).map((value) => (value as Buffer).toString('utf8'));
  }

  number(field: number): number {
    const value = this.fields.get(field)?.at(-1);
    return Buffer.isBuffer(value) || value === undefined ? 0 : Number(value);
  }
}

/** A message of text fields alone: number → text. */
export function protoTexts(fields: Readonly<Record<number, string>>): Buffer {
  return Buffer.concat(
    Object.entries(fields).flatMap(([number, text]) => {
      const bytes = Buffer.from(text);
      return [varintOf((Number(number) << 3) | BYTES), varintOf(bytes.length), bytes];
    }),
  );
}

function varintOf(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}
