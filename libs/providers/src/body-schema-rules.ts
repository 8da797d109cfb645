/** Where and why a JSON Schema is not taken. */
export interface SchemaFault {
  /** JSON Pointer within the schema; cut where it is long. */
  readonly at: string;
  readonly why: string;
}

/** Values in a schema, each reference counted as what it leads to: what a request costs is bounded by it. */
export const SCHEMA_VALUES_MAX = 1_000;
/** Levels of a schema, those that references lead to included. */
export const SCHEMA_DEPTH_MAX = 64;
const AT_LENGTH_MAX = 120;
const NAME_LENGTH_MAX = 64;

type Check = (value: unknown, schema: Readonly<Record<string, unknown>>) => boolean;
interface KeywordRule {
  readonly expected: string;
  readonly check: Check;
  /** What stands in the value: one schema, a list or a map of them; absent = a value as it is. */
  readonly holds?: 'schema' | 'list' | 'map';
}

const TYPES = new Set<unknown>(['null', 'boolean', 'object', 'array', 'number', 'integer', 'string']);
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isText: Check = (value) => typeof value === 'string';
const isTexts: Check = (value) => Array.isArray(value) && value.every((each) => typeof each === 'string');
const typesOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value]);

const rules = (names: readonly string[], rule: KeywordRule): [string, KeywordRule][] =>
  names.map((name) => [name, rule]);

/** The keywords that do something. Source: JSON Schema 2020-12, "Core" and "Validation", read 2026-11. */
const KEYWORDS: ReadonlyMap<string, KeywordRule> = new Map([
  ...rules(
    [
      ...['additionalProperties', 'items', 'contains', 'not', 'if', 'then', 'else', 'propertyNames'],
      ...['unevaluatedItems', 'unevaluatedProperties', 'contentSchema'],
    ],
    { expected: 'a schema', check: () => true, holds: 'schema' },
  ),
  ...rules(['allOf', 'anyOf', 'oneOf', 'prefixItems'], {
    expected: 'a list of schemas that is not empty',
    check: (value) => Array.isArray(value) && value.length > 0,
    holds: 'list',
  }),
  ...rules(['properties', '$defs', 'definitions', 'dependentSchemas'], {
    expected: 'an object of schemas',
    check: isObject,
    holds: 'map',
  }),
  ...rules(['maximum', 'minimum', 'exclusiveMaximum', 'exclusiveMinimum'], {
    expected: 'a number',
    check: (value) => Number.isFinite(value),
  }),
  ...rules(['multipleOf'], {
    expected: 'a number above 0',
    check: (value) => Number.isFinite(value) && (value as number) > 0,
  }),
  ...rules(
    [
      ...['maxLength', 'minLength', 'maxItems', 'minItems', 'maxProperties', 'minProperties'],
      ...['maxContains', 'minContains'],
    ],
    {
      expected: 'a whole number, 0 or more',
      check: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
    },
  ),
  ...rules(['type'], {
    expected: `one of ${[...TYPES].join(', ')}, or a list of them`,
    check: (value) => {
      const types = typesOf(value);
      return types.length > 0 && types.every((each) => TYPES.has(each)) && isDistinct(types);
    },
  }),
  ...rules(['nullable'], {
    expected: 'true or false, beside a type that is not null',
    check: (value, { type }) =>
      typeof value === 'boolean' && type !== undefined && !typesOf(type).includes('null'),
  }),
  ...rules(['enum'], {
    expected: 'a list that is not empty',
    check: (value) => Array.isArray(value) && value.length > 0,
  }),
  ...rules(['const', 'default'], { expected: 'a value', check: () => true }),
  ...rules(['required'], { expected: 'a list of names', check: isTexts }),
  ...rules(['dependentRequired'], {
    expected: 'an object of lists of names',
    check: (value) => isObject(value) && Object.values(value).every((each) => isTexts(each, {})),
  }),
  // A name that every object inherits would be found among the formats.
  ...rules(['format'], {
    expected: 'the name of a format',
    check: (value) => typeof value === 'string' && !(value in Object.prototype),
  }),
  ...rules(['$schema', '$comment', 'title', 'description', 'contentEncoding', 'contentMediaType'], {
    expected: 'a text',
    check: isText,
  }),
]);

/** Words with a meaning that are not taken: they cost more than a size says, or change what a reference leads to. */
const NOT_TAKEN = new Set([
  ...['pattern', 'patternProperties', 'uniqueItems', '$dynamicRef', '$recursiveRef'],
  ...['$anchor', '$dynamicAnchor', '$recursiveAnchor', '$vocabulary', '$async', 'id', 'dependencies'],
  ...['additionalItems', 'discriminator', '$merge', '$patch'],
]);
/** They name a place also inside of a value that no keyword explains. */
const NAMES_OF_PLACES = new Set(['$id', '$anchor', '$dynamicAnchor']);

/**
 * The first thing for which a source's JSON Schema (2020-12) is not taken; undefined when it can be used.
 * Why not all of the standard: the schema is a tenant's, the process is everybody's; what could stall it is not taken.
 * Why beside the compiler's own complaints: whoever makes a source is told, not whoever looks at its events later.
 */
export function schemaFault(schema: unknown): SchemaFault | undefined {
  const walk = new SchemaWalk(schema);
  walk.schema(schema, '', 0, true);
  return walk.fault;
}

/** Stops at the first fault; never deeper than SCHEMA_DEPTH_MAX, so that no depth of a schema exhausts the stack. */
class SchemaWalk {
  fault: SchemaFault | undefined;
  private values = 0;

  constructor(private readonly root: unknown) {}

  /** @param isCounted whether bodies are held against it: of what stands in `$defs` only what is referred to is. */
  schema(schema: unknown, at: string, depth: number, isCounted: boolean): void {
    if (!this.enter(at, depth, isCounted) || typeof schema === 'boolean') return;
    if (!isObject(schema)) return this.stop(at, 'expected a schema: an object, true or false');
    for (const [name, value] of Object.entries(schema)) {
      if (this.fault !== undefined) return;
      const below = `${at}/${name.slice(0, NAME_LENGTH_MAX)}`;
      if (NOT_TAKEN.has(name)) return this.stop(below, `${name} is not taken in a schema`);
      if (name === '$ref') this.reference(value, below, depth, isCounted);
      else if (name === '$id') this.address(value, below, depth);
      else this.keyword(name, schema, below, depth, isCounted);
    }
  }

  private keyword(
    name: string,
    schema: Readonly<Record<string, unknown>>,
    at: string,
    depth: number,
    isCounted: boolean,
  ): void {
    const value = schema[name];
    const rule = KEYWORDS.get(name);
    // The standard takes what it does not know for a remark.
    if (rule === undefined) return this.value(value, at, depth + 1, isCounted, isObject(value));
    if (!rule.check(value, schema)) return this.stop(at, `expected ${rule.expected}`);
    const isUsed = isCounted && name !== '$defs' && name !== 'definitions';
    if (rule.holds === undefined) this.value(value, at, depth + 1, isUsed, false);
    else if (rule.holds === 'schema') this.schema(value, at, depth + 1, isUsed);
    else if (this.enter(at, depth + 1, isUsed))
      for (const [key, each] of Object.entries(value as object)) {
        if (this.fault !== undefined) return;
        this.schema(each, `${at}/${key.slice(0, NAME_LENGTH_MAX)}`, depth + 2, isUsed);
      }
  }

  /** Within the schema only: nothing is fetched. */
  private reference(value: unknown, at: string, depth: number, isCounted: boolean): void {
    const name = typeof value === 'string' ? /^#\/\$defs\/([\w.-]+)$/.exec(value)?.[1] : undefined;
    const definitions = isObject(this.root) ? this.root['$defs'] : undefined;
    if (name === undefined || !isObject(definitions) || !Object.hasOwn(definitions, name))
      return this.stop(at, '$ref is taken for what is in #/$defs/… only');
    if (isCounted) this.schema(definitions[name], at, depth + 1, true);
  }

  private address(value: unknown, at: string, depth: number): void {
    if (depth > 0 || typeof value !== 'string' || value.includes('#') || !URL.canParse(value))
      this.stop(at, '$id is taken at the root only, and as a URL without a fragment');
  }

  private value(value: unknown, at: string, depth: number, isCounted: boolean, isRemark: boolean): void {
    if (!this.enter(at, depth, isCounted) || typeof value !== 'object' || value === null) return;
    for (const [name, member] of Object.entries(value)) {
      if (this.fault !== undefined) return;
      const below = `${at}/${name.slice(0, NAME_LENGTH_MAX)}`;
      if (isRemark && NAMES_OF_PLACES.has(name)) return this.stop(below, `${name} is not taken there`);
      this.value(member, below, depth + 1, isCounted, isRemark);
    }
  }

  private enter(at: string, depth: number, isCounted: boolean): boolean {
    if (isCounted) this.values += 1;
    if (depth > SCHEMA_DEPTH_MAX) this.stop(at, `deeper than ${SCHEMA_DEPTH_MAX} levels, or leads to itself`);
    else if (this.values > SCHEMA_VALUES_MAX)
      this.stop(at, `more than ${SCHEMA_VALUES_MAX} values, with what is referred to`);
    return this.fault === undefined;
  }

  private stop(at: string, why: string): void {
    this.fault ??= { at: at.slice(0, AT_LENGTH_MAX), why };
  }
}

const isDistinct = (values: readonly unknown[]): boolean => new Set(values).size === values.length;
