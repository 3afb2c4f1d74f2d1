// Sends a folder's records to a topic, which is created where it is missing: node examples/send.mjs <folder> <topic> [records]
import process from 'node:process'
import kafkajs from 'kafkajs'

const { Kafka, logLevel } = kafkajs
const [folder, topic, records = '1000'] = process.argv.slice(2)
const { recordOf } = await import(new URL(`./${folder}/records.mjs`, import.meta.url).href)

const brokers = (process.env.KAFKA_BROKERS ?? 'localhost:9092').split(',')
const kafka = new Kafka({ clientId: 'oncesink-example', brokers, logLevel: logLevel.ERROR })
const admin = kafka.admin()
await admin.connect()
await admin.createTopics({ topics: [{ topic, numPartitions: 4 }], waitForLeaders: true })
await admin.disconnect()

const producer = kafka.producer()
await producer.connect()
await producer.send({ topic, messages: Array.from({ length: Number(records) }, (_, i) => recordOf(i)) })
await producer.disconnect()
console.log(`sent ${records} records to topic ${topic}`)
