import { schemaFault } from '@posthorn/providers/body-schema-rules.js';
import type { JsonBody } from '@posthorn/providers/provider-request.js';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formatsPlugin from 'ajv-formats';

const PATH_LENGTH_MAX = 120;
const FORMATS = [
  'date-time',
  'date',
  'time',
  'duration',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'uuid',
  'uri',
] as const;
const addFormats = formatsPlugin as unknown as typeof formatsPlugin.default;

/**
 * A source's JSON Schema (2020-12) for its bodies.
 * What is not taken of the standard is refused when the source is made, by the same rules.
 */
export class BodySchema {
  private readonly validate: ValidateFunction;

  /** @throws Error when the schema is none, or could cost too much. */
  constructor(schema: object) {
    const fault = schemaFault(schema);
    if (fault !== undefined) throw new Error(`${fault.why} (at #${fault.at})`);
    const ajv = new Ajv2020({ strict: false, meta: false, validateSchema: false, logger: false });
    addFormats(ajv, { formats: [...FORMATS], mode: 'fast' });
    this.validate = ajv.compile(schema);
  }

  /** @returns the first thing that does not fit, without a value of it; undefined when all does. */
  mismatchIn(body: JsonBody): string | undefined {
    if (!body.isJson) return 'not JSON';
    if (this.validate(body.value) === true) return undefined;
    const [error] = this.validate.errors ?? [];
    return `${error?.keyword ?? 'schema'} at ${(error?.schemaPath ?? '#').slice(0, PATH_LENGTH_MAX)}`;
  }
}
