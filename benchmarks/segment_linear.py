"""What linear methods reach on `yt8m-segments`: the yardstick for networks on drawn data, whose looks are sums.

    podium data make yt8m-segments DATA --size small
    python benchmarks/segment_linear.py --data DATA

Prints MAP@100,000 on the test set, with 95 % intervals over videos: of a random ranking, of a logistic regression for
each class on its rated segments (means of windows of eleven seconds; those beside the mean of the video), and of ridge
regression on the means of labelled videos, applied to windows. Nothing is tuned. Needs scikit-learn.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge

from podium.challenges import challenge
from podium.challenges.yt8m_segments.builder import ScoreFile, Segments, eligible_segments, write_submission
from podium.challenges.yt8m_segments.layout import VOCABULARY, judged_videos
from podium.challenges.yt8m_segments.predictions import SUBMISSION, read_predictions
from podium.challenges.yt8m_segments.scoring import score
from podium.challenges.yt8m_segments.vocabulary import Vocabulary, read_vocabulary
from podium.formats.tfrecord import FrameRecord, dequantise, read_frame_records
from podium.types import DataSet, ScoreSettings

BEFORE, BEHIND = 3, 8
INVERSE_PENALTY = 1e-2
RIDGE = 300.0
VIDEO_WEIGHT = 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Rated:
    """R ratings: means of windows and videos, class and score."""

    window_RD: NDArray[np.float32]
    video_RD: NDArray[np.float32]
    class_R: NDArray[np.int64]
    positive_R: NDArray[np.bool_]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    data = DataSet(parser.parse_args().data)
    vocabulary = read_vocabulary(data.inputs / VOCABULARY)
    segments = eligible_segments(judged_videos(data))
    rated = ratings(data, vocabulary)
    window_ND, video_ND = test_means(data, segments)
    classes = len(vocabulary.indices)
    show("random", np.random.default_rng(0).random((classes, len(window_ND))), segments, vocabulary, data)
    show("logistic, window", logistic(rated.window_RD, window_ND, rated, classes), segments, vocabulary, data)
    both_RD = np.hstack([rated.window_RD, VIDEO_WEIGHT * rated.video_RD])
    both_ND = np.hstack([window_ND, VIDEO_WEIGHT * video_ND])
    show("logistic, window and video", logistic(both_RD, both_ND, rated, classes), segments, vocabulary, data)
    show("ridge, labelled videos to windows", ridge(data, vocabulary, window_ND), segments, vocabulary, data)


def window_mean(features_TD: NDArray[np.float32], start: int) -> NDArray[np.float32]:
    return features_TD[max(0, start - BEFORE) : start + BEHIND].mean(axis=0)


def records(folder: Path) -> list[FrameRecord]:
    return [record for path in sorted(folder.glob("*.tfrecord")) for record in read_frame_records(path)]


def ratings(data: DataSet, vocabulary: Vocabulary) -> Rated:
    windows, videos, classes, positives = [], [], [], []
    for record in records(data.public / "segment" / "train"):
        features_TD = dequantise(record.features_TC)
        for start, index, given in zip(
            record.segment_start_times, record.segment_labels, record.segment_scores, strict=True
        ):
            if start < len(features_TD):
                windows.append(window_mean(features_TD, int(start)))
                videos.append(features_TD.mean(axis=0))
                classes.append(vocabulary.rows[int(index)])
                positives.append(given > 0)
    return Rated(
        window_RD=np.array(windows),
        video_RD=np.array(videos),
        class_R=np.array(classes),
        positive_R=np.array(positives),
    )


def test_means(data: DataSet, segments: Segments) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    features = {record.video_id: dequantise(record.features_TC) for record in records(data.inputs / "segment" / "test")}
    means = {name: features_TD.mean(axis=0) for name, features_TD in features.items()}
    names = segments.ids[segments.video].tolist()
    starts = segments.start_seconds.tolist()
    windows = [window_mean(features[name], start) for name, start in zip(names, starts, strict=True)]
    return np.array(windows), np.array([means[name] for name in names])


def logistic(
    train_RD: NDArray[np.float32], test_ND: NDArray[np.float32], rated: Rated, classes: int
) -> NDArray[np.float64]:
    scores_CN = np.zeros((classes, len(test_ND)))
    for row in range(classes):
        mine_R = rated.class_R == row
        if len(np.unique(rated.positive_R[mine_R])) == 2:
            model = LogisticRegression(C=INVERSE_PENALTY, max_iter=300).fit(train_RD[mine_R], rated.positive_R[mine_R])
            scores_CN[row] = model.decision_function(test_ND)
    return scores_CN


def ridge(data: DataSet, vocabulary: Vocabulary, window_ND: NDArray[np.float32]) -> NDArray[np.float64]:
    videos = records(data.public / "video" / "train")
    labels_VC = np.zeros((len(videos), len(vocabulary.indices)), np.float32)
    for place, record in enumerate(videos):
        labels_VC[place, [vocabulary.rows[each] for each in record.labels.tolist() if each in vocabulary.rows]] = 1
    means_VD = np.array([dequantise(record.features_TC).mean(axis=0) for record in videos])
    return Ridge(alpha=RIDGE).fit(means_VD, labels_VC).predict(window_ND).T


def show(name: str, scores_CN: NDArray[np.float64], segments: Segments, vocabulary: Vocabulary, data: DataSet) -> None:
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "scores.npy", np.ascontiguousarray(scores_CN, dtype=np.float32))
        files = [ScoreFile(Path(folder) / "scores.npy")]
        write_submission(Path(folder) / SUBMISSION, files, segments, vocabulary.indices)
        reading = read_predictions(Path(folder), data, phase=challenge("yt8m-segments").phases[0])
        found = score(reading.predictions, data, ScoreSettings())
    print(f"{name:36} {found.value:.4f}   {found.interval.low:.4f} to {found.interval.high:.4f}", flush=True)


if __name__ == "__main__":
    main()
