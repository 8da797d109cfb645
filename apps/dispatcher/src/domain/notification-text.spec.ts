import { writeNotification } from './notification-text.js';

const mailOf = (kind: string, data: object) =>
  writeNotification({
    ...{ id: 'ntf_1', tenantSlug: 'acme', kind, dataJson: JSON.stringify(data) },
    createdAtMs: 1_700_000_000_000,
  });

test('A10 a mail about a source that fails says what happened, and by which calls it is mended', () => {
  // Would break: an owner is woken, and does not know what to do before the provider gives up.
  const { subject, text } = mailOf('source.failing', {
    ...{
      sourceId: 'src_1',
      name: 'sms\nBcc: x@y.z',
      provider: 'twilio',
      refused: 12,
      cause: 'signature.mismatch',
    },
    failingSince: '2023-11-14T22:13:20.000Z',
  });
  expect(subject).toBe('[acme] A source refuses what is sent to it');
  const [head, what] = text.split('\n\n');
  expect(head!.split('\n')).toEqual([
    ...['tenant: acme', 'sourceId: src_1', 'name: sms Bcc: x@y.z', 'provider: twilio', 'refused: 12'],
    ...['cause: signature.mismatch', 'failingSince: 2023-11-14T22:13:20.000Z'],
  ]);
  for (const call of [
    'GET …/refusals',
    'POST …/sources/{id}/secrets',
    'POST …/sources/{id}/refusals/reverify',
  ])
    expect(what).toContain(call);
});

test.each(['destination.disabled', 'key.expiring', 'source.failing', 'notification.test'])(
  'F4 a mail about %s has a subject of its own, and says what to do',
  (kind) => {
    const { subject, text } = mailOf(kind, {});
    expect(subject).not.toContain(kind);
    expect(text).toMatch(/^tenant: acme\n\n\S/);
  },
);

test('F4 of a kind that a newer tenants knows the mail says what it can', () => {
  const { subject, text } = mailOf('new.kind', { a: 1 });
  expect([subject, text]).toEqual(['[acme] new.kind', 'tenant: acme\na: 1\n']);
});
