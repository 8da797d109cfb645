import { HEADER_BYTES, LENGTH_BYTES, NULL_LENGTH, OID, startArray, writeMicros } from './pg-arrays.js';

/** One type: how long a value is, and how it is written. */
interface Codec {
  readonly oid: number;
  readonly sizeOf: (value: unknown) => number;
  /** @returns how many bytes it took. */
  readonly write: (out: Buffer, at: number, value: unknown) => number;
}

const UUID_BYTES = 16;
const JSONB_VERSION = 1;
/** Postgres keeps `infinity` as the largest number of microseconds. */
const INFINITY_HIGH = 0x7fff_ffff;
const INFINITY_LOW = 0xffff_ffff;

const text = {
  oid: OID.text,
  sizeOf: (value) => Buffer.byteLength(value as string),
  write: (out, at, value) => out.write(value as string, at),
} satisfies Codec;

const fixed = (
  oid: number,
  bytes: number,
  write: (out: Buffer, at: number, value: unknown) => void,
): Codec => ({
  oid,
  sizeOf: () => bytes,
  write: (out, at, value) => {
    write(out, at, value);
    return bytes;
  },
});

/** A buffer takes NaN for 0 and cuts fractions off; neither may become a row. */
function integer(value: unknown): number {
  if (!Number.isInteger(value)) throw new RangeError(`not an integer: ${typeof value}`);
  return value as number;
}

const CODECS: Readonly<Record<string, Codec>> = {
  text,
  jsonb: {
    oid: OID.jsonb,
    sizeOf: (value) => 1 + text.sizeOf(value),
    write: (out, at, value) => 1 + text.write(out, out.writeInt8(JSONB_VERSION, at), value),
  },
  bytea: {
    oid: OID.bytea,
    sizeOf: (value) => (value as Buffer).length,
    write: (out, at, value) => {
      out.set(value as Buffer, at);
      return (value as Buffer).length;
    },
  },
  uuid: fixed(OID.uuid, UUID_BYTES, (out, at, value) => {
    if (typeof value === 'string') out.write(value.replaceAll('-', ''), at, UUID_BYTES, 'hex');
    else out.set(value as Buffer, at);
  }),
  boolean: fixed(OID.bool, 1, (out, at, value) => out.writeInt8(value === true ? 1 : 0, at)),
  smallint: fixed(OID.int2, 2, (out, at, value) => out.writeInt16BE(integer(value), at)),
  int: fixed(OID.int4, 4, (out, at, value) => out.writeInt32BE(integer(value), at)),
  bigint: fixed(OID.int8, 8, (out, at, value) => out.writeBigInt64BE(BigInt(value as bigint | string), at)),
  real: fixed(OID.float4, 4, (out, at, value) => out.writeFloatBE(value as number, at)),
  timestamptz: fixed(OID.timestamptz, 8, (out, at, value) => {
    const unixMs = Number(value);
    if (unixMs === Infinity) out.writeUInt32BE(INFINITY_LOW, out.writeInt32BE(INFINITY_HIGH, at));
    else writeMicros(out, at, unixMs);
  }),
};

/** The types that `columnArray` knows. */
export const isKnownType = (type: string): boolean => Object.hasOwn(CODECS, type);

/**
 * One column of rows as a Postgres array in binary form. Null and undefined are NULL.
 * @param type of the column: `uuid` takes 16 bytes or text, `timestamptz` a Date or Unix milliseconds, of which
 * `Infinity` is after every time,
 * `bigint` a BigInt or decimal text, `jsonb` its text.
 * @throws RangeError for a number that the type cannot keep as it is.
 */
export function columnArray(type: string, values: readonly unknown[]): Buffer {
  const { oid, sizeOf, write } = CODECS[type]!;
  let size = HEADER_BYTES + LENGTH_BYTES * values.length;
  for (const value of values) if (value !== null && value !== undefined) size += sizeOf(value);
  const out = startArray(oid, values.length, size);
  let at = HEADER_BYTES;
  for (const value of values) {
    if (value === null || value === undefined) {
      at = out.writeInt32BE(NULL_LENGTH, at);
      continue;
    }
    const length = write(out, at + LENGTH_BYTES, value);
    out.writeInt32BE(length, at);
    at += LENGTH_BYTES + length;
  }
  return out;
}

/** The same for all columns of rows, each row with one value per column. */
export function columnArrays(types: readonly string[], rows: readonly (readonly unknown[])[]): Buffer[] {
  return types.map((type, column) =>
    columnArray(
      type,
      rows.map((row) => row[column]),
    ),
  );
}
