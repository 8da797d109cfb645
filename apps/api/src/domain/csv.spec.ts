import { AppError } from '@posthorn/errors/app-error.js';
import fc from 'fast-check';
import { csvLine, readCsv } from './csv.js';

const cell = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: fc.constantFrom('"', ',', '\r', '\n', ' ', 'a', '\ufeff') }),
);

test('E8 what is exported as CSV is read back as it was, whatever stands in it', () => {
  const lines = fc.array(fc.array(cell, { minLength: 1, maxLength: 6 }), { maxLength: 8 });
  fc.assert(
    fc.property(lines, (table) => {
      expect([...readCsv(table.map(csvLine).join(''))]).toEqual(table);
    }),
  );
});

test('E8 files as spreadsheets write them: either end of line, a last line without one, empty cells', () => {
  expect([...readCsv('a,b\n1,\n"x\ny","say ""hi"""')]).toEqual([
    ['a', 'b'],
    ['1', ''],
    ['x\ny', 'say "hi"'],
  ]);
  expect([...readCsv('')]).toEqual([]);
});

test.each(['a"b', '"a', '"a"b,c', 'ok\r\n"x"y'])('B5 %j is no CSV: an error that names the row', (text) => {
  expect(() => [...readCsv(text)]).toThrow(AppError);
});

test('B5 any bytes are read or refused, never hung on', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('"', ',', '\r', '\n', 'a') }), (text) => {
      try {
        for (const cells of readCsv(text)) expect(cells.length).toBeGreaterThan(0);
      } catch (error) {
        expect((error as AppError).code).toBe('request.malformed');
      }
    }),
  );
});
