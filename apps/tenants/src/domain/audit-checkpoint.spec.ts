import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { checkpointLine, isSignedBy, parseCheckpointLine, signCheckpoint } from './audit-checkpoint.js';

const { privateKey } = generateKeyPairSync('ed25519');
const publicKey = createPublicKey(privateKey);
const unsigned = fc.record({
  tenantId: fc.uuid(),
  keyId: fc.uuid(),
  number: fc.bigInt({ min: 1n, max: 2n ** 62n }),
  hash: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes)),
  atMs: fc.nat(),
});

test('B8 I9 a checkpoint survives its way through a file, and its signature with it', () => {
  fc.assert(
    fc.property(unsigned, (given) => {
      const checkpoint = signCheckpoint(given, privateKey);
      const read = parseCheckpointLine(checkpointLine(checkpoint))!;
      expect(read).toEqual(checkpoint);
      expect(isSignedBy(read, publicKey)).toBe(true);
    }),
  );
});

test('B8 I9 no field of a checkpoint can be changed under its signature, and no other key can sign', () => {
  const stranger = generateKeyPairSync('ed25519').privateKey;
  fc.assert(
    fc.property(unsigned, unsigned, (given, other) => {
      const { signature } = signCheckpoint(given, privateKey);
      for (const field of ['tenantId', 'keyId', 'number', 'hash', 'atMs'] as const) {
        fc.pre(String(given[field]) !== String(other[field]));
        expect(isSignedBy({ ...given, [field]: other[field], signature }, publicKey)).toBe(false);
      }
      expect(isSignedBy(signCheckpoint(given, stranger), publicKey)).toBe(false);
    }),
  );
});

test('a line that was cut, or is something else, is no checkpoint', () => {
  fc.assert(
    fc.property(unsigned, fc.nat(), (given, at) => {
      const line = checkpointLine(signCheckpoint(given, privateKey));
      expect(parseCheckpointLine(line.slice(0, at % line.length))).toBeUndefined();
    }),
  );
  for (const line of ['', 'null', '[]', '{}', '{"tenantId":1}'])
    expect(parseCheckpointLine(line)).toBeUndefined();
});
