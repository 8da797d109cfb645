import { AppError } from '@posthorn/errors/app-error.js';
import { auditActor } from './audit-outgoing.js';

const KEY = { id: 'key_1', kind: 'operator', remoteAddress: '192.0.2.7' };

test('B8 whoever asks is named: the key and its address, or the service that asks by itself', () => {
  expect(auditActor(KEY, 'key_2')).toEqual(KEY);
  expect(auditActor(undefined, 'rul_1')).toEqual({ id: 'rul_1', kind: 'service', remoteAddress: '' });
  expect(auditActor(undefined, '')).toEqual({ id: 'service:api', kind: 'service', remoteAddress: '' });
});

test('B8 nobody acts under a name that the audit log would not take', () => {
  const long = 'x'.repeat(101);
  for (const over of [{ id: '' }, { id: long }, { kind: 'god' }, { kind: '' }, { remoteAddress: long }])
    expect(() => auditActor({ ...KEY, ...over }, 'key_1')).toThrow(AppError);
});
