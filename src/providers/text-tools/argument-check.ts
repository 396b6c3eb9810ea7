/** Decides whether a call's arguments may be told: valid as written, or after types are corrected where only one thing can be meant. */
import { isRecord } from '../../formats/is-record.ts'
import { correctTypes } from './correct-types.ts'
import { type CheckBudget, createSchemaCheck } from './schema-check.ts'

/** The function takes JSON text and gives it back, corrected if need be; null when it is not valid. */
export function createArgumentCheck(parameters: unknown, budget: CheckBudget): (json: string) => string | null {
  const schema = createSchemaCheck(parameters, budget)
  return (json) => {
    const value: unknown = JSON.parse(json)
    if (!isRecord(value)) return null
    if (schema.isValid(value)) return json
    const corrected = correctTypes(schema, value)
    return schema.isValid(corrected) ? JSON.stringify(corrected) : null
  }
}
