"""TFRecord shards without TensorFlow: checked, mapped, by number, and as the records of YouTube-8M.

```
Shard.records        (offset, payload) of every record; faults by file and byte, refused or skipped
ShardSet[i]          any record of many shards
read_frame_records   videos with the features of each second, kept as bytes until `dequantise`
write_shard          the same payloads, the same bytes
```
"""

from podium.formats.tfrecord.checksum import crc32c, implementation, masked_crc32c
from podium.formats.tfrecord.encoding import (
    AUDIO_DIMENSIONS,
    RGB_DIMENSIONS,
    encode_example,
    encode_frame_record,
    encode_sequence_example,
    encode_video_record,
)
from podium.formats.tfrecord.examples import (
    DIMENSIONS,
    FrameContext,
    FrameRecord,
    VideoRecord,
    parse_frame_context,
    parse_frame_record,
    parse_frame_views,
    parse_video_record,
    read_frame_records,
    read_video_records,
)
from podium.formats.tfrecord.features import (
    Feature,
    FeatureList,
    SequenceExample,
    parse_example,
    parse_sequence_example,
)
from podium.formats.tfrecord.framing import MAX_RECORD_BYTES, Record, write_shard
from podium.formats.tfrecord.index import Index
from podium.formats.tfrecord.quantisation import dequantise, quantise
from podium.formats.tfrecord.sets import Place, ShardSet
from podium.formats.tfrecord.shards import OnFault, Shard
from podium.formats.tfrecord.wire import MalformedError

__all__ = [
    "AUDIO_DIMENSIONS",
    "DIMENSIONS",
    "MAX_RECORD_BYTES",
    "RGB_DIMENSIONS",
    "Feature",
    "FeatureList",
    "FrameContext",
    "FrameRecord",
    "Index",
    "MalformedError",
    "OnFault",
    "Place",
    "Record",
    "SequenceExample",
    "Shard",
    "ShardSet",
    "VideoRecord",
    "crc32c",
    "dequantise",
    "encode_example",
    "encode_frame_record",
    "encode_sequence_example",
    "encode_video_record",
    "implementation",
    "masked_crc32c",
    "parse_example",
    "parse_frame_context",
    "parse_frame_record",
    "parse_frame_views",
    "parse_sequence_example",
    "parse_video_record",
    "quantise",
    "read_frame_records",
    "read_video_records",
    "write_shard",
]
