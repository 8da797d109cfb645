import type { JsonBody } from '@posthorn/providers/provider-request.js';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formatsPlugin from 'ajv-formats';

/** Values in a schema, each reference counted as what it leads to: what a request costs is bounded by it. */
const VALUES_MAX = 1_000;
const DEPTH_MAX = 64;
const PATH_LENGTH_MAX = 120;
/** They cost more than the size of a body, or of the schema, says. */
const TOO_COSTLY = new Set(['pattern', 'patternProperties', 'uniqueItems', '$dynamicRef', '$recursiveRef']);
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
 * Why not all of it: the schema is a tenant's, the process is everybody's. What could stall it is not taken.
 */
export class BodySchema {
  private readonly validate: ValidateFunction;

  /** @throws Error when the schema is none, or could cost too much. */
  constructor(schema: object) {
    assertBounded(schema);
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

/** @throws Error */
function assertBounded(root: object): void {
  let values = 0;
  const visit = (value: unknown, depth: number): void => {
    values += 1;
    if (values > VALUES_MAX || depth > DEPTH_MAX)
      throw new Error('the schema is too large, or leads to itself');
    if (typeof value !== 'object' || value === null) return;
    for (const [name, member] of Object.entries(value)) {
      if (TOO_COSTLY.has(name)) throw new Error(`${name} is not taken in a schema`);
      if (name === '$ref') visit(referred(root, member), depth + 1);
      // What is only referred to costs where it is referred to.
      else if (name !== '$defs') visit(member, depth + 1);
    }
  };
  visit(root, 0);
}

/** Within the schema only. @throws Error */
function referred(root: object, reference: unknown): unknown {
  const path = typeof reference === 'string' ? /^#\/(\$defs)\/([\w.-]+)$/.exec(reference) : null;
  const definitions = (root as { $defs?: Record<string, unknown> }).$defs ?? {};
  if (path === null || !Object.hasOwn(definitions, path[2]!))
    throw new Error('$ref is taken for #/$defs/… only');
  return definitions[path[2]!];
}
