import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** A number of milliseconds that an app keeps to itself. */
function constantOf(path: string, name: string): number {
  const [, digits] =
    new RegExp(`^(?:export )?const ${name} = ([\\d_]+);`, 'm').exec(readFileSync(join(root, path), 'utf8')) ??
    [];
  return Number(digits?.replaceAll('_', ''));
}

const permits = 'apps/compliance/src/domain/send-request.ts';
const validMs = constantOf(permits, 'PERMIT_VALID_MS');
const openMs = constantOf(permits, 'PERMIT_OPEN_MS');
const holdMs = constantOf('apps/ingress/src/application/enforce-opt-outs.ts', 'HOLD_MS');
/** Source: docs/adr/0004: what a process may stall for, and how far clocks run apart. */
const STALL_MS = 90;
const DRIFT = 0.01;

test('E1 E2 a send under a permit begins before an opt-out is acknowledged without compliance: three apps, one budget', () => {
  expect(constantOf('apps/dispatcher/src/domain/command-step.ts', 'PERMIT_VALID_MS')).toBe(validMs);
  const beginsBeforeMs = validMs / (1 - DRIFT) + STALL_MS;
  expect(holdMs / (1 + DRIFT)).toBeGreaterThan(beginsBeforeMs);
  expect(openMs / (1 + DRIFT)).toBeGreaterThan(beginsBeforeMs);
});

test('E1 the model of the argument has the numbers of the code', () => {
  const model = 'apps/compliance/src/domain/opt-out-model/model-design.fixture.ts';
  expect([constantOf(model, 'HOLD_MS'), constantOf(model, 'STALL_MS_MAX')]).toEqual([holdMs, STALL_MS]);
});
