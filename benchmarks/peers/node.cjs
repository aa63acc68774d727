// The usual export in Node: a cursor, rows as objects, a stringifier, a stream. Arguments: folder of node_modules, case, table, file.
'use strict'
const fs = require('node:fs')
const zlib = require('node:zlib')
const { Readable, Transform } = require('node:stream')
const { pipeline } = require('node:stream/promises')

const [folder, format, table, path] = process.argv.slice(2)
const load = name => require(require.resolve(name, { paths: [folder, ...module.paths] }))
const { Client } = load('pg')
const Cursor = load('pg-cursor')
const { stringify } = load('csv-stringify')
const ROWS = 1000

async function * rowsOf (client) {
  const cursor = client.query(new Cursor(`SELECT * FROM ${table}`))
  for (let rows = await cursor.read(ROWS); rows.length > 0; rows = await cursor.read(ROWS)) yield * rows
  await cursor.close()
}

function jsonArray () {
  let first = true
  return new Transform({
    writableObjectMode: true,
    transform (row, _, done) {
      done(null, (first ? '[' : ',') + JSON.stringify(row))
      first = false
    },
    flush (done) {
      done(null, first ? '[]' : ']')
    }
  })
}

async function main () {
  const client = new Client() // PGHOST and the other variables of libpq
  await client.connect()
  const text = format === 'json' ? jsonArray() : stringify({ header: true, cast: { date: value => value.toISOString() } })
  const steps = [Readable.from(rowsOf(client)), text]
  if (format === 'csv.gz') steps.push(zlib.createGzip())
  await pipeline(...steps, fs.createWriteStream(path))
  await client.end()
}

main().catch(error => {
  console.error(error)
  process.exitCode = 1
})
