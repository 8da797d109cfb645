import { Metadata, status } from '@grpc/grpc-js';
import { AppError } from '@posthorn/errors/app-error.js';
import { ERRORS, type ErrorCode } from '@posthorn/errors/registry.js';
import fc from 'fast-check';
import { appErrorOf, codeOfStatus, statusOf } from './grpc-errors.js';

const codes = Object.keys(ERRORS) as ErrorCode[];

test('every AppError survives the wire: code, detail, retry and fields', () => {
  const field = fc.record({ path: fc.string(), message: fc.string({ unit: 'grapheme' }) });
  fc.assert(
    fc.property(
      fc.constantFrom(...codes),
      fc.option(fc.string({ unit: 'grapheme', maxLength: 200 }), { nil: undefined }),
      fc.option(fc.nat(), { nil: undefined }),
      fc.array(field, { maxLength: 5 }),
      (code, detail, retryAfterMs, fields) => {
        const sent = statusOf(
          new AppError(code, { detail, retryAfterMs, fields, cause: new Error('hidden') }),
        );
        expect(JSON.stringify(sent)).not.toContain('hidden');
        const back = appErrorOf({ ...sent, metadata: viaHttp2(sent.metadata) }, 'events');
        expect(back).toMatchObject({ code, detail, retryAfterMs, fields });
        expect(codeOfStatus(sent)).toBe(code);
      },
    ),
  );
});

/** Serialised and read again, as HTTP/2 does. */
const viaHttp2 = (metadata: Metadata): Metadata =>
  Metadata.fromHttp2Headers(metadata.toHttp2Headers() as never);

test('A4 thousands of field errors fit the trailers: some are left out, the code never', () => {
  const fields = Array.from({ length: 5_000 }, (_, at) => ({ path: `events.${at}`, message: 'is wrong' }));
  const { metadata, ...rest } = statusOf(
    new AppError('request.invalid', { detail: 'x'.repeat(9_000), fields }),
  );
  expect(JSON.stringify(metadata.toHttp2Headers()).length).toBeLessThan(12_000);
  const back = appErrorOf({ ...rest, metadata }, 'events');
  expect(back.code).toBe('request.invalid');
  expect(back.fields.length).toBeGreaterThan(30);
});

test('F8 a status that no handler wrote says that the peer could not be asked, never that it refused', () => {
  const codeFor = (code: status): string => appErrorOf({ code, metadata: new Metadata() }, 'events').code;
  expect(codeFor(status.UNAVAILABLE)).toBe('service.unavailable');
  expect(codeFor(status.DEADLINE_EXCEEDED)).toBe('service.deadline');
  expect(codeFor(status.UNIMPLEMENTED)).toBe('service.unavailable');
  expect(codeFor(status.RESOURCE_EXHAUSTED)).toBe('internal.error');
  const forged = new Metadata();
  forged.set('posthorn-error-code', 'no.such_code');
  expect(appErrorOf({ code: status.NOT_FOUND, metadata: forged }, 'events').code).toBe('service.unavailable');
  expect(appErrorOf({}, 'events').code).toBe('service.unavailable');
});
