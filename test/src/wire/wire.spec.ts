import { createCipheriv, randomBytes } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import twilio from 'twilio';
import { idOf, uuidOf } from './ids.js';
import { ProtoFields } from './protobuf.js';
import { Random } from './random.js';
import { openSealed, readKeyFile } from './sealed.js';
import { isWebhookSigned, twilioSignature, webhookKey, webhookSignature } from './signatures.js';

test('the official twilio package takes our signature', () => {
  const [token, url, fields] = [
    '12345',
    'https://example.com/in?x=1',
    { To: '+1800', Body: 'héllo', From: '+1' },
  ];
  expect(twilio.validateRequest(token, twilioSignature(token, url, fields), url, fields)).toBe(true);
});

test('the official standardwebhooks package takes our signature, and ours takes its', () => {
  const secret = `whsec_${randomBytes(32).toString('base64')}`;
  const [id, body, now] = ['evt_1', '{"a":1}', Math.floor(Date.now() / 1000)];
  const headers = {
    'webhook-id': id,
    'webhook-timestamp': String(now),
    'webhook-signature': webhookSignature(webhookKey(secret), id, now, Buffer.from(body)),
  };
  new Webhook(secret).verify(body, headers);
  const theirs = new Webhook(secret).sign(id, new Date(now * 1000), body);
  const keys = [randomBytes(32), webhookKey(secret)];
  expect(
    isWebhookSigned(keys, { ...headers, 'webhook-signature': `v1,AAAA ${theirs}` }, Buffer.from(body)),
  ).toBe(true);
  expect(isWebhookSigned(keys, headers, Buffer.from('{"a":2}'))).toBe(false);
});

test('IDs: 128 bits in 26 characters and back', () => {
  const uuid = '019362a1-0b7c-7abc-8def-0123456789ab';
  expect(idOf('fct', uuid)).toMatch(/^fct_[0-9a-hjkmnp-tv-z]{26}$/);
  expect(uuidOf(idOf('fct', uuid))).toBe(uuid);
  expect(uuidOf('fct_x')).toBeUndefined();
  expect(idOf('x', '00000000-0000-0000-0000-000000000001')).toBe('x_00000000000000000000000001');
});

test('protobuf: text, repeated, varint, double, bytes', () => {
  const bytes = Buffer.from('0a0161120162120163180a210000000000000440', 'hex');
  const fields = new ProtoFields(bytes);
  expect([fields.text(1), fields.texts(2), fields.number(3), fields.number(4)]).toEqual([
    'a',
    ['b', 'c'],
    10,
    2.5,
  ]);
  expect(() => new ProtoFields(Buffer.from('0aff', 'hex'))).toThrow('truncated');
});

test('sealed values open with their key and in their place only', () => {
  const [tenant, row, other] = ['11', '22', '33'].map((pair) => pair.repeat(16)) as [string, string, string];
  const [key, keyId, nonce] = [randomBytes(32), Buffer.from('1'.padStart(32, '0'), 'hex'), randomBytes(12)];
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.concat([Buffer.from('raw\0'), Buffer.from(tenant + row, 'hex')]));
  const sealed = Buffer.concat([
    Buffer.from([1]),
    keyId,
    nonce,
    cipher.update('text'),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
  const path = join(mkdtempSync(join(tmpdir(), 'sealed-')), 'kek.json');
  writeFileSync(path, JSON.stringify({ current: 1, keys: { 1: key.toString('base64') } }));
  const keys = readKeyFile(path);
  expect(openSealed(sealed, keys, 'raw', tenant, row).toString()).toBe('text');
  expect(() => openSealed(sealed, keys, 'raw', tenant, other)).toThrow();
  expect(() => openSealed(sealed, keys, 'content', tenant, row)).toThrow();
});

test('the same seed gives the same numbers', () => {
  const [a, b] = [new Random(7), new Random(7)];
  expect(Array.from({ length: 50 }, () => a.next())).toEqual(Array.from({ length: 50 }, () => b.next()));
  expect(new Random(1).shuffled([1, 2, 3, 4]).sort()).toEqual([1, 2, 3, 4]);
});
