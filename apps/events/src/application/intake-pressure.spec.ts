import type { Pressure } from '../domain/projection-pause.js';
import { IntakePressure } from './intake-pressure.js';

const seen = (pressure: Pressure, isBusy: boolean): Pressure =>
  new IntakePressure({ pressure }, { isBusy }).pressure;

test('A3 nothing rests for long while a core is idle', () => {
  expect(seen('high', true)).toBe('high');
  expect(seen('high', false)).toBe('some');
  for (const isBusy of [true, false]) {
    expect(seen('some', isBusy)).toBe('some');
    expect(seen('none', isBusy)).toBe('none');
  }
});
