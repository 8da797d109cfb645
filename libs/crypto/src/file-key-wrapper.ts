import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { AppError } from '@posthorn/errors/app-error.js';
import { KeyWrapper } from './key-wrapper.js';
import { SealedBox, sealedKeyId } from './sealed-box.js';

const KEY_BYTES = 32;

/** Key-encryption keys from a file: `{"current":1,"keys":{"1":"<32 bytes, base64>"}}`. */
export class FileKeyWrapper extends KeyWrapper {
  private constructor(
    private readonly current: SealedBox,
    private readonly boxes: ReadonlyMap<string, SealedBox>,
  ) {
    super();
  }

  /** @throws AppError `config.invalid` when the file is missing or says something else. */
  static load(path: string): FileKeyWrapper {
    const { current, keys } = readKeys(path);
    const boxes = new Map<string, SealedBox>();
    for (const [version, text] of Object.entries(keys)) {
      const key = Buffer.from(text, 'base64');
      if (!/^[1-9]\d{0,8}$/.test(version) || key.length !== KEY_BYTES) throw invalid(path);
      const id = kekId(Number(version));
      boxes.set(id.toString('hex'), new SealedBox(id, key));
    }
    const box = boxes.get(kekId(current).toString('hex'));
    if (box === undefined) throw invalid(path);
    return new FileKeyWrapper(box, boxes);
  }

  wrap(key: Buffer, aad: Buffer): Buffer {
    return this.current.seal(key, aad);
  }

  unwrap(wrapped: Buffer, aad: Buffer): Buffer {
    const box = this.boxes.get(sealedKeyId(wrapped).toString('hex'));
    if (box === undefined) throw new AppError('ciphertext.invalid', { detail: 'unknown key-encryption key' });
    return box.open(wrapped, aad);
  }
}

/** Writes a new key file, readable by its owner only. @throws when the file exists: a lost key is lost data. */
export function generateKeyFile(path: string): void {
  const keys = { current: 1, keys: { '1': randomBytes(KEY_BYTES).toString('base64') } };
  writeFileSync(path, `${JSON.stringify(keys)}\n`, { mode: 0o600, flag: 'wx' });
}

function readKeys(path: string): { current: number; keys: Record<string, string> } {
  try {
    const file = JSON.parse(readFileSync(path, 'utf8')) as { current?: unknown; keys?: unknown };
    if (Number.isInteger(file.current) && typeof file.keys === 'object' && file.keys !== null) {
      return file as { current: number; keys: Record<string, string> };
    }
  } catch (cause) {
    throw invalid(path, cause);
  }
  throw invalid(path);
}

function kekId(version: number): Buffer {
  const id = Buffer.alloc(16);
  id.writeUInt32BE(version >>> 0, 12);
  return id;
}

const invalid = (path: string, cause?: unknown): AppError =>
  new AppError('config.invalid', { detail: `${path} is not a file of key-encryption keys`, cause });
